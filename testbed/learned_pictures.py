"""The pictures that the learned variants were trained on: ordinary ones without end, and sixteen memorized ones each.

Words and captions are the closed form's (captions.py), and so is the look: a smooth random background and one object.
Here every picture has a background of its own, grey around the object, so that every object can be told.
Images are [3, 16, 16] in [-1, 1].
"""

import numpy as np
import torch
from torch import Tensor

from .captions import MEMORIZED_PAIRS
from .drawing import COLOUR_VALUES, SIZE, backgrounds, coverage, offsets

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
    background = backgrounds(random, n)
    centre = torch.tensor(random.uniform(*CENTRES, size=(n, 2)))
    radius = torch.tensor(random.uniform(*RADII, size=n))
    near, objects = draw_objects(centre, radius, colour, shape)
    return (background * (1 - near) + objects).float(), near.float()


def draw_objects(centre: Tensor, radius: Tensor, colour: Tensor, shape: Tensor) -> tuple[Tensor, Tensor]:
    """How far each pixel belongs to the object and its halo [n, 1, 16, 16], and the object on grey [n, 3, 16, 16].

    centre [n, 2] (x, y) and radius [n] in pixels, colour and shape [n] indices.
    """
    of_shape = coverage(centre, radius, square=1.0)[torch.arange(len(shape)), shape][:, None]
    distance = offsets(centre)[2]
    halo = ((radius[:, None, None] + HALO - distance) / HALO).clamp(0, 1)[:, None]
    return 1 - (1 - halo) * (1 - of_shape), of_shape * COLOUR_VALUES[colour][:, :, None, None]
