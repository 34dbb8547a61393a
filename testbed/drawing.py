"""What every picture of the testbed is drawn of: a smooth random background, and one object with soft edges.

Pictures are SIZE x SIZE pixels; places and radii are in pixels, from the upper left corner.
"""

import numpy as np
import torch
from torch import Tensor

SIZE = 16
# In the order of COLOURS; a little pale, so that a layout settles well before its object does.
COLOUR_VALUES = 0.8 * torch.tensor(
    [[1.0, -1, -1], [-1, 1, -1], [-1, -1, 1], [1, 1, -1], [1, 1, 1], [0.4, -1, 1]], dtype=torch.float64
)


def backgrounds(random: np.random.RandomState, n: int) -> Tensor:
    """Sums of the lowest cosines with random amplitudes: [n, 3, 16, 16] in (-0.8, 0.8)."""
    frequency, place = np.arange(3), (np.arange(SIZE) + 0.5) / SIZE
    cosines = np.cos(np.pi * frequency[:, None] * place)
    waves = np.einsum("ncij,ix,jy->ncxy", random.randn(n, 3, 3, 3), cosines, cosines)
    return torch.tensor(0.8 * np.tanh(0.9 * waves))


def offsets(centre: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """How far pixels are from centres [n, 2] (x, y): across [n, 1, 16], down [n, 16, 1], straight [n, 16, 16]."""
    pixel = torch.arange(SIZE).double() + 0.5
    across, down = (pixel - centre[:, :1]).abs()[:, None, :], (pixel - centre[:, 1:]).abs()[:, :, None]
    return across, down, (across**2 + down**2).sqrt()


def coverage(centre: Tensor, radius: Tensor, square: float) -> Tensor:
    """Coverage of every pixel by each of SHAPES, with edges one pixel soft: [n, 4, 16, 16].

    centre [n, 2], radius [n]; square: half the side of a square, in radii.
    """
    dx, dy, distance = offsets(centre)
    radius = radius[:, None, None]
    horizontal, vertical = torch.maximum(dx - radius, dy - radius / 3), torch.maximum(dy - radius, dx - radius / 3)
    outside = [
        distance - radius,
        torch.maximum(dx, dy) - square * radius,
        torch.minimum(horizontal, vertical),
        (distance - 0.75 * radius).abs() - 0.25 * radius,
    ]  # signed distances, in the order of SHAPES
    return (0.5 - torch.stack(outside, dim=1)).clamp(0, 1)
