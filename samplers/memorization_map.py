"""Where a picture is memorized (Kim & Lee, ICML 2026).

*Localizing Memorized Regions in Diffusion Models via Coordinate-Wise Curvature Differences*: a memorized region is
where the prompt sharpens the density much more than no prompt does, also at the very end, when the picture is finished.
By the Fisher identity that difference of curvatures is, up to a factor of the noise level,

    map(p) = sum over channels of delta(p)^2       delta = (D_u - D_c) / sigma, at the last step
    map    = box filter of map                     13 x 13 on latents of 64 x 64

and its mean over pixels tells memorized pictures from others. The exact curvatures (Hutchinson's estimate, 16 backward
passes) were somewhat better: IoU .90 against .83 on Stable Diffusion 1.4.

Other than in the paper: delta is taken at a finished picture with fresh noise of the last step's level, and not on the
way, so that any latent can be looked at; the map is divided by its own largest value, not by that of a data set.
"""

import torch
from torch import Tensor

from .guidance import per_sample


def squared_guidance(cond: Tensor, uncond: Tensor, sigma: Tensor) -> Tensor:
    """[batch, ...] float32, of denoised predictions [batch, channels, ...] at sigma [batch]."""
    delta = (uncond - cond).float() / per_sample(sigma.float(), cond)
    return delta.square().sum(1)


def box_filter(values: Tensor, size: int) -> Tensor:
    """The mean over size x size pixels around each, of those that are inside: [batch, height, width]; size is odd."""
    return torch.nn.functional.avg_pool2d(values[:, None], size, 1, size // 2, count_include_pad=False)[:, 0]


def relative(values: Tensor) -> Tensor:
    """In [0, 1]: each map [height, width] of [batch, height, width] by its largest value."""
    return values / values.amax((1, 2), keepdim=True).clamp_min(torch.finfo(values.dtype).tiny)
