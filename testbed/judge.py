"""What a testbed picture is: a copy of which memorized image, and an object of which colour and shape."""

import torch
from torch import Tensor

from .captions import words
from .distribution import Pictures
from .vocabulary import SHAPE_WORDS, Vocabulary

COPY_SIMILARITY = 0.9


def similarity(images: Tensor, reference: Tensor) -> Tensor:
    """Correlation of the pixels, each image less its mean over pixels and channels: [n, ...], [...] -> [n]."""
    images, reference = images.flatten(1), reference.flatten()[None]
    centred = images - images.mean(1, keepdim=True), reference - reference.mean()
    return torch.nn.functional.cosine_similarity(*centred, dim=1)


def alignment(images: Tensor, prompt: str, pictures: Pictures, vocabulary: Vocabulary = SHAPE_WORDS) -> Tensor:
    """1 where the nearest picture has the prompt's colour and shape (or thing), 0.5 where one of the two: [n]."""
    nearest = torch.cdist(images.flatten(1), pictures.means.flatten(1)).argmin(1)
    named = words(prompt)
    right_colour = torch.tensor([vocabulary.colours[c] in named for c in pictures.colour[nearest].tolist()])
    right_shape = torch.tensor([vocabulary.things[s] in named for s in pictures.shape[nearest].tolist()])
    return (right_colour.float() + right_shape.float()) / 2
