"""What the measurements need to know of a memorizing model, the same for every testbed.

Captions come in two halves: rules and defaults are chosen on `tuning`, and reported on `held_out`.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from measure import MEMORIZED, MEMORIZED_CAPTIONS, NODES, ORDINARY_CAPTIONS, PICTURES, encode
from pack import ROOT
from torch import Tensor

# isort: split
from basin_escape.testbed.captions import COLOURS, SHAPES, words
from basin_escape.testbed.judge import COPY_SIMILARITY, alignment, similarity


@dataclass(frozen=True)
class Captions:
    memorized: tuple[str, ...]
    ordinary: tuple[str, ...]


def half(remainder: int) -> Captions:
    """Every second memorized caption, and a chessboard of colours and shapes."""
    ordinary = [c for i, c in enumerate(ORDINARY_CAPTIONS) if sum(divmod(i, len(SHAPES))) % 2 == remainder]
    return Captions(MEMORIZED_CAPTIONS[remainder::2], tuple(ordinary))


class ClosedForm:
    """The exact denoiser, as eps-, v- or flow model."""

    latent_shape = (3, 16, 16)
    copy_threshold = COPY_SIMILARITY
    tuning, held_out = half(0), half(1)
    memorized = MEMORIZED  # in the order of MEMORIZED_CAPTIONS
    files = [ROOT / "testbed" / name for name in ("captions.py", "denoiser.py", "distribution.py", "prior.py")]

    def __init__(self, variant: str):
        self.model, self.clip, self.vae, *_ = NODES["LoadMemorizationTestbed"]().load(variant)

    def image(self, caption: str) -> Tensor:
        """The memorized image of a caption: [3, 16, 16]."""
        return self.memorized[MEMORIZED_CAPTIONS.index(caption)]

    def similarity(self, samples: Tensor, caption: str) -> Tensor:
        """To the caption's memorized image; for an ordinary caption, to the nearest of all: [n, ...] -> [n]."""
        references = self.image(caption)[None] if caption in MEMORIZED_CAPTIONS else self.memorized
        return torch.stack([similarity(samples, image) for image in references]).amax(0)

    def alignment(self, samples: Tensor, caption: str) -> Tensor:
        """Share of colour and shape that is right: [n, ...] -> [n]."""
        return alignment(samples, caption, PICTURES)

    def real(self, captions: tuple[str, ...]) -> Tensor:
        """Ordinary training pictures with the attributes of these captions, to measure the Frechet distance to."""
        pairs = [(COLOURS.index(a), SHAPES.index(b)) for *_, a, b in map(words, captions)]
        named = [(PICTURES.colour == colour) & (PICTURES.shape == shape) for colour, shape in pairs]
        chosen = torch.stack(named).any(0).nonzero().flatten()
        return PICTURES.means[chosen[chosen >= len(MEMORIZED)]]


@cache
def testbed(name: str) -> Any:
    """One of "closed form eps", "closed form v", "closed form flow"."""
    return ClosedForm(name.split()[-1])


def conditioning(bed: Any, caption: str) -> list:
    return encode(bed.clip, caption)
