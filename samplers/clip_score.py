"""CLIP score (Hessel et al., EMNLP 2021): how well a picture fits its prompt.

    score = cos(text vector, image vector)      of one CLIP; neither times 100 nor times 2.5

Somepalli et al., Wen et al., Ren et al., Han et al. and Jain et al. report it of the prompt that was given, not of what
a mitigation made of it. Each takes another CLIP, and scores of different ones do not compare.
"""

import torch
from torch import Tensor


def clip_scores(text: Tensor, images: Tensor) -> Tensor:
    """[images] in [-1, 1], of a text vector [elements] and image vectors [images, elements]."""
    return torch.nn.functional.cosine_similarity(images.float(), text.float()[None], dim=1)


def matched(texts: Tensor, images: Tensor) -> bool:
    """Whether each of n texts [n, elements] fits its own of n images better than the others do, and the reverse.

    Ours: text and image vectors of different models, or without their projection, pass it by chance alone.
    """
    table = torch.stack([clip_scores(text, images) for text in texts])
    own = torch.arange(len(texts), device=table.device)
    return bool((table.argmax(0) == own).all() and (table.argmax(1) == own).all())
