"""What the measurements need to know of a memorizing model, the same for every testbed.

Captions come in two halves: rules and defaults are chosen on `tuning`, and reported on `held_out`.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

import learned
import learned_judge
import numpy as np
import torch
from measure import MEMORIZED, MEMORIZED_CAPTIONS, NODES, ORDINARY_CAPTIONS, PICTURES, encode
from pack import ROOT
from torch import Tensor

# isort: split
from basin_escape.testbed.captions import COLOURS, SHAPES, words
from basin_escape.testbed.judge import COPY_SIMILARITY, alignment, similarity
from basin_escape.testbed.learned_pictures import memorized_pictures, render


@dataclass(frozen=True)
class Captions:
    memorized: tuple[str, ...]
    ordinary: tuple[str, ...]


def half(remainder: int) -> Captions:
    """Every second memorized caption, and a chessboard of colours and shapes."""
    ordinary = [c for i, c in enumerate(ORDINARY_CAPTIONS) if sum(divmod(i, len(SHAPES))) % 2 == remainder]
    return Captions(MEMORIZED_CAPTIONS[remainder::2], tuple(ordinary))


def attributes(captions: tuple[str, ...]) -> list[tuple[int, int]]:
    """Indices of the colour and the shape that each caption names."""
    return [(COLOURS.index(colour), SHAPES.index(shape)) for *_, colour, shape in map(words, captions)]


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
        named = [(PICTURES.colour == colour) & (PICTURES.shape == shape) for colour, shape in attributes(captions)]
        chosen = torch.stack(named).any(0).nonzero().flatten()
        return PICTURES.means[chosen[chosen >= len(MEMORIZED)]]


class Learned(ClosedForm):
    """The trained network, with pictures, judges and halves of its own."""

    copy_threshold = learned_judge.COPY_SIMILARITY
    tuning, held_out = (Captions(tuple(h.memorized), tuple(h.ordinary)) for h in (learned.TUNING, learned.HELD_OUT))
    memorized = memorized_pictures()
    files = [ROOT / "testbed" / name for name in ("learned.safetensors", "network.py", "prompt_encoder.py")]

    def alignment(self, samples: Tensor, caption: str) -> Tensor:
        return learned_judge.alignment(samples, caption)

    def real(self, captions: tuple[str, ...]) -> Tensor:
        """Fresh pictures, 200 for each caption."""
        colour, shape = torch.tensor(attributes(captions)).repeat(200, 1).unbind(1)
        return render(np.random.RandomState(0), colour, shape)


@cache
def testbed(name: str) -> Any:
    """One of "closed form eps", "closed form v", "closed form flow", "learned"."""
    variant = name.split()[-1]
    return (Learned if variant == "learned" else ClosedForm)(variant)


def conditioning(bed: Any, caption: str) -> list:
    return encode(bed.clip, caption)
