"""AMG: away from the nearest of a known list of pictures, wherever an image comes near to it (Chen et al., CVPR 2024).

*Towards Memorization-Free Diffusion Models*, eqs. 10 to 17, with the constants of the released code. In every step

    sim   = the highest similarity of the decoded prediction x0 with a picture n of the list, y its caption
    only where sim > lambda = 0.3 + 0.1 exp(-0.005 t):
    s1    = clip(13 sim, 0, s - 1)                          s the guidance scale: less of the prompt (despecification)
    s2    = clip((s - 1 - s1) / 0.3 sim, 0, s - 1 - s1)     away from the caption (caption de-duplication)
    eps   = e_u + (s - s1)(e_c - e_u) - s2 (e_y - e_u) + 100 (sim - 0.3) exp((1000 - t) / 170) sqrt(1 - abar) grad sim

grad with respect to x_t, eps held constant: it goes through the network that compares and through the decoder, never
through the model. In denoised predictions D = x - sigma eps, and since x0 is 1 / sqrt(abar) times x_t less a constant,

    D     = D_cfg - s1 (D_c - D_u) - s2 (D_y - D_u) - r^2 * 100 (sim - 0.3) exp((1000 - t) / 170) * grad_D sim

r is the ratio of noise to picture in x: sigma where noise is added to the picture, sigma / (1 - sigma) of a flow, which
begins without a picture: there r is at most what it is in Stable Diffusion's first step.

Other than in the released code: despecification waits for lambda as in the paper; pictures are prepared for SSCD as its
authors say; the list is the user's, where the paper searched the training set, and captions come with it.
"""

import math

import torch
from torch import Tensor

from .guidance import per_sample

SIMILAR, DESPECIFY, REPEL = 0.3, 13.0, 100.0  # lambda at its lowest, c1, c3
HIGHEST = 14.6  # r
ABOVE, DECAY, GROWTH = 0.1, 0.005, 170.0


def begins(t: float, similar: float = SIMILAR) -> float:
    """lambda at the timestep t, 1000 to 0: rises as the picture forms."""
    return similar + ABOVE * math.exp(-DECAY * t)


def scales(similarity: Tensor, cfg: float, despecify: float, similar: float = SIMILAR) -> tuple[Tensor, Tensor]:
    """s1 and s2 of each sample: [batch]."""
    room = max(cfg - 1, 0.0)
    s1 = (despecify * similarity).clamp(0, room)
    left = room - s1
    return s1, (left * similarity / max(similar, 1e-3)).clamp_min(0).minimum(left)


def repulsion(similarity: Tensor, t: float, ratio: float, repel: float, similar: float = SIMILAR) -> Tensor:
    """What grad_D sim is multiplied with: [batch]."""
    return ratio**2 * repel * (similarity - similar) * math.exp((1000 - t) / GROWTH)


def away(denoised: Tensor, cond: Tensor, uncond: Tensor, s1: Tensor) -> Tensor:
    """D with less of the prompt, from the host's D_cfg: [batch, ...]; s1 [batch]."""
    return denoised - per_sample(s1, cond) * (cond - uncond)


def nearest(vectors: Tensor, references: Tensor) -> tuple[Tensor, Tensor]:
    """Highest similarity and place of the reference, [batch] each: [batch, elements], [references, elements]."""
    return torch.max(vectors @ references.T, dim=1)
