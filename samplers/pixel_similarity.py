"""Likeness of two pictures by their pixels: correlation, and distance against that of other references.

Carlini et al. (USENIX Security 2023), *Extracting Training Data from Diffusion Models*: x copies its nearest reference
r if it is much nearer to it than to others, for pictures of one colour are near to everything:

    l2(x, y) = root of the mean of (x - y)^2
    l(x, r)  = l2(x, r) / (alpha * mean of l2(x, y) over the n references y nearest to x)     n = 50, alpha = 0.5
    copied if l <= 1

Given here as 1 - alpha * l, so that higher is more alike: 1 is the same picture, 0.5 the paper's criterion.

FB-Mem looks at the foreground and at the background of a picture apart. A weight for each pixel does that: 1 inside, 0
outside. Both formulas then are of the weighted pixels, and describe a picture by one vector.

Other than in the papers: pictures are scaled to 64 x 64, whatever their sides; of fewer than 50 references all count;
FB-Mem compares by MS-SSIM.
"""

import torch
from torch import Tensor

SIDE, NEIGHBOURS, COARSE = 64, 50, 8


def scaled(channels: Tensor, height: int, width: int) -> Tensor:
    """[channels, any height, any width] to a size; where it shrinks, a pixel is the mean of those it stands for."""
    return torch.nn.functional.interpolate(channels[None], (height, width), mode="bilinear", antialias=True)[0]


def pixels(picture: Tensor, weight: Tensor | None) -> tuple[Tensor, Tensor]:
    """The pixels of a picture [height, width, 3] as [3, SIDE, SIDE] float32, and their weights, of sum 1.

    weight  [height, width], each 0 to 1 and some above 0; None: all the same
    """
    small = scaled(picture.float().movedim(-1, 0), SIDE, SIDE)
    if weight is None:
        weight = torch.ones(1, 1, device=picture.device)
    shares = scaled(weight.float()[None], SIDE, SIDE).clamp_min(0).expand_as(small)
    return small, shares / shares.sum()


def centred(picture: Tensor, weight: Tensor | None = None) -> Tensor:
    """A vector of length 1, by whose dot product with another's two pictures correlate; of length 0 for one colour.

    The mean that is taken off is the one over pixels and channels.
    """
    small, shares = pixels(picture, weight)
    less_mean = (small - (shares * small).sum()) * shares.sqrt()
    length = less_mean.norm()
    return (less_mean / length.clamp_min(1e-5) * (length > 1e-5)).flatten()


def coarse(picture: Tensor) -> Tensor:
    """As `centred`, of the picture in COARSE x COARSE pixels: a copy under noise is a copy."""
    return centred(scaled(picture.float().movedim(-1, 0), COARSE, COARSE).movedim(0, -1))


def weighted(picture: Tensor, weight: Tensor | None = None) -> Tensor:
    """A vector whose Euclidean distance from another's is l2."""
    small, shares = pixels(picture, weight)
    return (small * shares.sqrt()).flatten()


def among_neighbours(distances: Tensor) -> Tensor:
    """1 - alpha * l of each reference, from the distances [references] of one picture."""
    nearest = distances.sort().values[:NEIGHBOURS].mean()
    return 1 - distances / nearest.clamp_min(torch.finfo(distances.dtype).tiny)
