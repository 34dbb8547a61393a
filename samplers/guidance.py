"""Classifier-free guidance inside the attraction basin, as formulas (Jain et al., equations 4 and 5).

`cond` and `uncond` are the denoised predictions D_c and D_u that ComfyUI hands to its CFG hooks, and `x`
the noisy input, all [batch, ...]; `sigma` is [batch], the noise level of the call.
"""

from collections.abc import Callable

import torch
from torch import Tensor

ZERO = "zero guidance"
OPPOSITE = "opposite guidance"
CONDITIONAL = "conditional only"


def per_sample(values: Tensor, like: Tensor) -> Tensor:
    """Shape `values` [batch] so that it broadcasts against `like` [batch, ...], on the device of `like`."""
    return values.to(like.device, non_blocking=True).view(-1, *[1] * (like.ndim - 1))


def norm(values: Tensor) -> Tensor:
    """L2 norm of every sample over all its other dimensions: [batch, ...] -> [batch], float32."""
    return torch.linalg.vector_norm(values.flatten(1), dim=1, dtype=torch.float32)


def rms(l2: Tensor, elements: int) -> Tensor:
    """The L2 norm per square root of the `elements` of a sample: the same at every resolution."""
    return l2 / elements**0.5


def prediction_norms(x: Tensor, cond: Tensor, uncond: Tensor, sigma: Tensor) -> list[Tensor]:
    """Norms of the guidance, of the conditional and of the unconditional noise prediction: [batch] each, float32.

    The guidance is (D_u - D_c) / sigma: eps_c - eps_u exactly for eps- and v-prediction, the difference of the
    velocities for flow models. Likewise the noise that a denoised prediction D implies is (x - D) / sigma (the curves
    of Figures 2 and 3).
    """
    sigma = sigma.float()
    return [norm(uncond - cond) / sigma, norm(x - cond) / sigma, norm(x - uncond) / sigma]


def pull(cond: Tensor, uncond: Tensor, target: Tensor) -> Tensor:
    """The share of the way from D_u to `target` [batch, ...] that D_c goes: [batch], float32.

    <D_c - D_u, target - D_u> / |target - D_u|^2: 1 where D_c is the target, 0 where it goes another way or none.
    """
    way, guidance = (target.float() - uncond).flatten(1), (cond.float() - uncond).flatten(1)
    return guidance.mul_(way).sum(1) / way.square_().sum(1)


def zero_guidance(cond: Tensor, uncond: Tensor, scale: float) -> Tensor:
    """D_u: scale 0 in equation 4."""
    return uncond


def opposite_guidance(cond: Tensor, uncond: Tensor, scale: float) -> Tensor:
    """D_u - scale (D_c - D_u): equation 5, with scale > 0."""
    return torch.lerp(uncond, cond, -scale)


def conditional_only(cond: Tensor, uncond: Tensor, scale: float) -> Tensor:
    """D_c: scale 1 in equation 4, what the paper's released dynamic script runs before the transition."""
    return cond


BEFORE_TRANSITION: dict[str, Callable[[Tensor, Tensor, float], Tensor]] = {
    ZERO: zero_guidance,
    OPPOSITE: opposite_guidance,
    CONDITIONAL: conditional_only,
}


def scale_before_transition(before_transition: str, opposite_scale: float) -> float:
    """The guidance scale s of equation 4 that a choice of `before_transition` amounts to."""
    return {ZERO: 0.0, OPPOSITE: -opposite_scale, CONDITIONAL: 1.0}[before_transition]
