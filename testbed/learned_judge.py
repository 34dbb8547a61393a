"""What a picture of a learned variant is: a copy of which memorized picture, and an object of which colour and shape.

Both are formulas, nothing here is trained: a copy is told by the correlation of the pixels (judge.similarity), the
object by the best fit among all objects that the renderer can draw.
"""

from functools import cache

import torch
from torch import Tensor

from .captions import COLOURS, SHAPES, words
from .judge import similarity
from .learned_pictures import CENTRES, RADII, draw_objects

__all__ = ["COPY_SIMILARITY", "alignment", "attributes", "similarity"]

COPY_SIMILARITY = 0.75
STEP = 0.5  # of the objects' centres, in pixels


@cache
def _objects() -> tuple[Tensor, Tensor, Tensor]:
    """Objects at every place, of three sizes, of all colours and shapes: weights of their pixels [m, 768], pixels
    [m, 768], index of colour and shape [m, 2]."""
    place, size = torch.arange(CENTRES[0], CENTRES[1] + STEP / 2, STEP), torch.linspace(RADII[0], RADII[1], 5)[1::2]
    pairs = torch.arange(len(COLOURS)), torch.arange(len(SHAPES))
    grid = torch.cartesian_prod(*(values.double() for values in (place, place, size, *pairs)))
    x, y, radius, colour, shape = grid.unbind(1)
    near, objects = draw_objects(torch.stack([x, y], 1), radius, colour.long(), shape.long())
    near = near.expand_as(objects).flatten(1)
    return (near / near.sum(1, keepdim=True)).float(), objects.flatten(1).float(), grid[:, 3:].long()


def attributes(images: Tensor) -> Tensor:
    """Indices of the colour and the shape of each image's object, by least squares: [n, 3, 16, 16] -> [n, 2]."""
    weight, objects, pair = _objects()
    images = images.flatten(1)
    error = images.square() @ weight.T - 2 * images @ (weight * objects).T + (weight * objects.square()).sum(1)
    return pair[error.argmin(1)]


def alignment(images: Tensor, prompt: str) -> Tensor:
    """1 where an image has the prompt's colour and shape, 0.5 where one of the two: [n]."""
    named = words(prompt)
    right = [(COLOURS[c] in named) + (SHAPES[s] in named) for c, s in attributes(images).tolist()]
    return torch.tensor(right) / 2
