"""The pictures that the learned variants were trained on: ordinary ones without end, and sixteen memorized ones each.

Words and captions are the closed form's (captions.py), and so is the look: a smooth random background and one object.
Here every picture has a background of its own, grey around the object, so that every object can be told.
Images are [3, 16, 16] in [-1, 1].
"""

import numpy as np
import torch
from torch import Tensor

from .captions import MEMORIZED_PAIRS
from .distribution import COLOUR_VALUES, SIZE

SEED = 20251  # of the memorized pictures of the variant "learned"
CENTRES = (6.5, SIZE - 6.5)
RADII = (4.6, 5.2)
HALO = 1.0  # pixels over which the background comes back around the object


def memorized_pictures(seed: int = SEED) -> Tensor:
    """Sixteen memorized pictures, in the order of MEMORIZED_CAPTIONS: [16, 3, 16, 16]."""
    return render(np.random.RandomState(seed), *torch.tensor(MEMORIZED_PAIRS).unbind(1))


def render(random: np.random.RandomState, colour: Tensor, shape: Tensor) -> Tensor:
    """A picture for each pair of indices into COLOURS and SHAPES, [n] each, all else at random: [n, 3, 16, 16]."""
    return render_with_place(random, colour, shape)[0]


def render_with_place(random: np.random.RandomState, colour: Tensor, shape: Tensor) -> tuple[Tensor, Tensor]:
    """The same, and how far each pixel belongs to the object and its halo: [n, 1, 16, 16]."""
    n = len(colour)
    frequency, place = np.arange(3), (np.arange(SIZE) + 0.5) / SIZE
    cosines = np.cos(np.pi * frequency[:, None] * place)
    waves = np.einsum("ncij,ix,jy->ncxy", random.randn(n, 3, 3, 3), cosines, cosines)
    background = torch.tensor(0.8 * np.tanh(0.9 * waves))
    centre = torch.tensor(random.uniform(*CENTRES, size=(n, 2)))
    radius = torch.tensor(random.uniform(*RADII, size=n))
    near, objects = draw_objects(centre, radius, colour, shape)
    return (background * (1 - near) + objects).float(), near.float()


def draw_objects(centre: Tensor, radius: Tensor, colour: Tensor, shape: Tensor) -> tuple[Tensor, Tensor]:
    """How far each pixel belongs to the object and its halo [n, 1, 16, 16], and the object on grey [n, 3, 16, 16].

    centre [n, 2] (x, y) and radius [n] in pixels, colour and shape [n] indices.
    """
    pixel, radius = torch.arange(SIZE).double() + 0.5, radius[:, None, None]
    dx, dy = (pixel - centre[:, :1]).abs()[:, None, :], (pixel - centre[:, 1:]).abs()[:, :, None]
    distance = (dx**2 + dy**2).sqrt()
    across, along = torch.maximum(dx - radius, dy - radius / 3), torch.maximum(dy - radius, dx - radius / 3)
    outside = torch.stack(
        [
            distance - radius,
            torch.maximum(dx, dy) - radius,
            torch.minimum(across, along),
            (distance - 0.75 * radius).abs() - 0.25 * radius,
        ],
        dim=1,
    )  # signed distances, in the order of SHAPES
    coverage = (0.5 - outside[torch.arange(len(shape)), shape]).clamp(0, 1)[:, None]
    halo = ((radius + HALO - distance) / HALO).clamp(0, 1)[:, None]
    return 1 - (1 - halo) * (1 - coverage), coverage * COLOUR_VALUES[colour][:, :, None, None]
