"""The testbed's known distribution of images: a mixture of narrow Gaussians around rendered pictures.

Images are [3, 16, 16] in [-1, 1]. A layout is a smooth background with the place and size of an object; an
ordinary picture is one of LAYOUTS layouts with one of 24 objects, a memorized one has a layout of its own.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .captions import COLOURS, MEMORIZED_PAIRS, SHAPES

SEED = 20250
SIZE = 16
LAYOUTS = 300
DUPLICATES = 50  # a memorized image stood in the training set this often
DEVIATION = 0.1  # standard deviation of a component, in pixel units
# In the order of COLOURS; a little pale, so that a layout settles well before its object does.
COLOUR_VALUES = 0.8 * torch.tensor(
    [[1.0, -1, -1], [-1, 1, -1], [-1, -1, 1], [1, 1, -1], [1, 1, 1], [0.4, -1, 1]], dtype=torch.float64
)


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


def _layout(random: np.random.RandomState) -> tuple[Tensor, Tensor, float]:
    """A background [3, 16, 16], the centre (x, y) of the object and its radius in pixels."""
    frequency, place = np.arange(3), (np.arange(SIZE) + 0.5) / SIZE
    cosines = np.cos(np.pi * frequency[:, None] * place)
    waves = np.einsum("cij,ix,jy->cxy", random.randn(3, 3, 3), cosines, cosines)
    centre = random.uniform(5.0, SIZE - 5.0, size=2)
    return torch.tensor(0.8 * np.tanh(0.9 * waves)), torch.tensor(centre), random.uniform(2.7, 3.3)


def _render(background: Tensor, centre: Tensor, radius: float, colour: Tensor, shape: Tensor) -> Tensor:
    """Objects of the given colours and shapes ([n] indices) on one background: [n, 3, 16, 16]."""
    mask = _shape_masks(centre, radius)[shape][:, None]
    value = COLOUR_VALUES[colour][:, :, None, None]
    return (background * (1 - mask) + value * mask).float()


def _shape_masks(centre: Tensor, radius: float) -> Tensor:
    """Coverage of every pixel by each of SHAPES, with edges one pixel soft: [4, 16, 16]."""
    pixel = torch.arange(SIZE).double() + 0.5
    dx, dy = (pixel - centre[0]).abs()[None, :], (pixel - centre[1]).abs()[:, None]
    distance = (dx**2 + dy**2).sqrt()
    across, along = torch.maximum(dx - radius, dy - radius / 3), torch.maximum(dy - radius, dx - radius / 3)
    outside = [
        distance - radius,
        torch.maximum(dx, dy) - 0.9 * radius,
        torch.minimum(across, along),
        (distance - 0.75 * radius).abs() - 0.25 * radius,
    ]  # signed distances, in the order of SHAPES
    return (0.5 - torch.stack(outside)).clamp(0, 1)
