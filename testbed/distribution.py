"""The testbed's known distribution of images: a mixture of narrow Gaussians around rendered pictures.

Images are [3, 16, 16] in [-1, 1]. A layout is a smooth background with the place and size of an object; an
ordinary picture is one of LAYOUTS layouts with one of 24 objects, a memorized one has a layout of its own.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .captions import COLOURS, MEMORIZED_PAIRS, SHAPES
from .drawing import COLOUR_VALUES, SIZE, backgrounds, coverage

SEED = 20250
LAYOUTS = 300
DUPLICATES = 50  # a memorized image stood in the training set this often
DEVIATION = 0.1  # standard deviation of a component, in pixel units
SQUARE = 0.9  # half the side of a square, in radii


@dataclass(frozen=True)
class Pictures:
    """The component means, memorized ones first, then [layout, colour, shape] in this order.

    means   [components, 3, 16, 16]
    colour  [components] index into COLOURS
    shape   [components] index into SHAPES
    """

    means: Tensor
    colour: Tensor
    shape: Tensor


def render_pictures() -> Pictures:
    """All pictures of the distribution, the same on every machine (numpy's legacy generator never changes)."""
    random = np.random.RandomState(SEED)
    memorized = [_render(*_layout(random), *(torch.tensor([index]) for index in pair)) for pair in MEMORIZED_PAIRS]
    colour, shape = _all_pairs()
    ordinary = [_render(*_layout(random), colour, shape) for _ in range(LAYOUTS)]
    pairs = torch.tensor(MEMORIZED_PAIRS)
    return Pictures(
        torch.cat(memorized + ordinary),
        torch.cat([pairs[:, 0], colour.repeat(LAYOUTS)]),
        torch.cat([pairs[:, 1], shape.repeat(LAYOUTS)]),
    )


def render_singles(number: int) -> Pictures:
    """Other pictures, each with a layout of its own: `number` of every colour and shape, [number, colour, shape]."""
    random = np.random.RandomState(SEED + 1)
    colour, shape = (index.repeat(number) for index in _all_pairs())
    means = [_render(*_layout(random), *pair) for pair in zip(colour.split(1), shape.split(1), strict=True)]
    return Pictures(torch.cat(means), colour, shape)


def _all_pairs() -> tuple[Tensor, Tensor]:
    colour, shape = torch.meshgrid(torch.arange(len(COLOURS)), torch.arange(len(SHAPES)), indexing="ij")
    return colour.flatten(), shape.flatten()


def _layout(random: np.random.RandomState) -> tuple[Tensor, Tensor, Tensor]:
    """A background [1, 3, 16, 16], the centre (x, y) of the object [1, 2] and its radius [1] in pixels."""
    background, centre = backgrounds(random, 1), random.uniform(5.0, SIZE - 5.0, size=(1, 2))
    return background, torch.tensor(centre), torch.tensor(random.uniform(2.7, 3.3, size=1))


def _render(background: Tensor, centre: Tensor, radius: Tensor, colour: Tensor, shape: Tensor) -> Tensor:
    """Objects of the given colours and shapes ([n] indices) on one background: [n, 3, 16, 16]."""
    mask = coverage(centre, radius, SQUARE)[0, shape][:, None]
    value = COLOUR_VALUES[colour][:, :, None, None]
    return (background * (1 - mask) + value * mask).float()
