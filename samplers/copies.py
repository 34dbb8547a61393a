"""Pictures against references, by any measure: each picture is described by a vector, and vectors are compared.

A picture's scores depend on it and on the references alone: not on the other pictures, nor on any order.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

import torch
from torch import Tensor

from .pixel_similarity import among_neighbours, centred, weighted

WHOLE, FOREGROUND, BACKGROUND = "whole", "foreground", "background"
Describe = Callable[[Tensor, Tensor | None], Tensor]  # picture [h, w, 3], weight [h, w] or None -> [elements]


def dot(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).sum().clamp(-1, 1)


def distance(a: Tensor, b: Tensor) -> Tensor:
    return (a - b).norm()


@dataclass(frozen=True)
class Measure:
    """finish: scores [references] of one picture, higher for what is more alike, from what `compare` says of each."""

    describe: Describe
    compare: Callable[[Tensor, Tensor], Tensor] = dot
    finish: Callable[[Tensor], Tensor] = lambda compared: compared


CORRELATION = Measure(centred)
L2 = Measure(weighted, distance, among_neighbours)


def parts(mask: Tensor | None) -> dict[str, Sequence[Tensor | None]]:
    """The weights of each part of a picture; mask [masks, height, width] is 1 in the foreground."""
    if mask is None:
        return {WHOLE: [None]}
    return {WHOLE: [None], FOREGROUND: list(mask), BACKGROUND: list(1 - mask)}


def compare(
    measure: Measure,
    pictures: Sequence[Tensor],
    references: Iterable[Tensor],
    mask: Tensor | None = None,
    describe_reference: Describe | None = None,
) -> dict[str, Tensor]:
    """Scores [pictures, references] of the whole and, with a mask, of foreground and background.

    Of the references one is held at a time. pictures, references: [height, width, 3] in [0, 1], of any sizes; mask: one
    for all pictures or one for each. describe_reference: what knows the references' vectors already.
    """
    weights, describe = parts(mask), describe_reference or measure.describe
    mine = {
        part: [measure.describe(picture, ws[k % len(ws)]) for k, picture in enumerate(pictures)]
        for part, ws in weights.items()
    }
    columns: dict[str, list[Tensor]] = {part: [] for part in weights}
    for reference in references:
        for part, ws in weights.items():
            theirs = [describe(reference, weight) for weight in ws]
            pairs = [measure.compare(own, theirs[k % len(ws)]) for k, own in enumerate(mine[part])]
            columns[part].append(torch.stack(pairs).cpu())
    return {part: torch.stack([measure.finish(row) for row in torch.stack(c, 1)]) for part, c in columns.items()}


def likeness(measure: Measure, pictures: Sequence[Tensor]) -> Tensor:
    """`compare` of each picture of a batch with each other one, [pictures, pictures] float64; 1 with itself."""
    vectors = [measure.describe(picture, None) for picture in pictures]
    found = torch.ones(len(vectors), len(vectors), dtype=torch.float64)
    for a, b in combinations(range(len(vectors)), 2):
        found[a, b] = found[b, a] = measure.compare(vectors[a], vectors[b])
    return found


def mean_likeness(measure: Measure, pictures: Sequence[Tensor]) -> float:
    """How alike the pictures of a batch are: the mean of `likeness` over all pairs of them, at least one."""
    rows, columns = torch.triu_indices(len(pictures), len(pictures), 1)
    return likeness(measure, pictures)[rows, columns].mean().item()
