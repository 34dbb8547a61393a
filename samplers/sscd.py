"""SSCD (Pizzi et al., CVPR 2022): likeness of pictures, one of which may have been cropped, recoloured or compressed.

*A Self-Supervised Descriptor for Image Copy Detection*: a network E makes a vector of length 1 of a picture, and

    similarity(x, y) = E(x) . E(y)

What goes into E decides on the score, so scores of different preparations do not compare:

    SSCD           320 x 320 pixels, sides skewed; ImageNet's mean and deviation: the authors' advice, and with their
                   model disc_mixup what NeMo (Hintersdorf et al.) and Han et al. use. From .75 on 90 % are copies.
    SSCD 224 crop  shorter side 256, the 224 x 224 pixels in the middle, mean and deviation 0.5: DCR (Somepalli et al.),
                   Wen et al. and GUARD, with the model disc_large. There .5 counts as memorized.

Part of a picture (FB-Mem): both pictures are cut to the box around it, and what is outside of it is grey, ImageNet's
mean. That its shape is the same in both raises the score of any two pictures.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from .pixel_similarity import scaled

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # ImageNet's


def skewed(channels: Tensor) -> Tensor:
    return scaled(channels, 320, 320)


def cropped(channels: Tensor) -> Tensor:
    height, width = channels.shape[1:]
    shorter = min(height, width)
    resized = scaled(channels, height * 256 // shorter, width * 256 // shorter)
    top, left = ((side - 224) // 2 for side in resized.shape[1:])
    return resized[:, top : top + 224, left : left + 224]


@dataclass(frozen=True)
class Preparation:
    """How a picture is cut, and what of each channel's value is taken off and what it is divided by."""

    cut: Callable[[Tensor], Tensor]
    mean: tuple[float, float, float]
    deviation: tuple[float, float, float]

    def cut_out(self, picture: Tensor) -> Tensor:
        """[height, width, 3] in [0, 1] -> [3, side, side] in [0, 1]."""
        return self.cut(picture.float().movedim(-1, 0)).clamp(0, 1)

    def normalised(self, picture: Tensor) -> Tensor:
        """[height, width, 3] in [0, 1] -> [1, 3, side, side], what the network takes."""
        cut = self.cut_out(picture)
        mean, deviation = (cut.new_tensor(values)[:, None, None] for values in (self.mean, self.deviation))
        return ((cut - mean) / deviation)[None]


SKEW, CROP = "SSCD", "SSCD 224 crop"
PREPARATIONS = {
    SKEW: Preparation(skewed, MEAN, DEVIATION),
    CROP: Preparation(cropped, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
}


def cut_to(picture: Tensor, weight: Tensor | None) -> Tensor:
    """The part of a picture [height, width, 3] where weight [any height, any width] is 1, grey where it is 0.

    Cut to the box around it: the shape of the part must not be what two pictures have in common. Without a weight the
    picture as it is.
    """
    if weight is None:
        return picture
    inside = scaled(weight.float()[None], *picture.shape[:2])[0].clamp(0, 1)
    rows, columns = ((inside > 0.5).any(axis).nonzero().flatten() for axis in (1, 0))
    if len(rows):
        box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
        picture, inside = picture[box], inside[box]
    return picture * inside[..., None] + torch.tensor(MEAN, device=picture.device) * (1 - inside[..., None])
