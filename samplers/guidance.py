"""Classifier-free guidance inside the attraction basin, as formulas (Jain et al., equations 4 and 5).

`cond` and `uncond` are the denoised predictions D_c and D_u that ComfyUI hands to its CFG hooks, and `x`
the noisy input, all [batch, ...]; `sigma` is [batch], the noise level of the call.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from .settings import CONDITIONAL, OPPOSITE, ORTHOGONAL, ZERO, Settings


def on_device(values: Tensor, device: torch.device) -> Tensor:
    """A small tensor on `device`, without a wait for CUDA; elsewhere (Apple's MPS) not to wait would be garbage."""
    return values.to(device, non_blocking=device.type == "cuda")


def per_sample(values: Tensor, like: Tensor) -> Tensor:
    """Shape `values` [batch] so that it broadcasts against `like` [batch, ...], on the device of `like`."""
    return on_device(values, like.device).view(-1, *[1] * (like.ndim - 1))


def select(on: Tensor, after: Tensor, before: Tensor) -> Tensor:
    """`after` for the samples of the mask `on` [batch], `before` for the others, bit for bit: [batch, ...]."""
    if on.is_cpu and bool(on.all()):
        return after
    if on.is_cpu and not bool(on.any()):
        return before
    return torch.where(per_sample(on, after), after, before)


def scale_per_sample(scale: float | Tensor, sigma: Tensor) -> Tensor:
    """The guidance scale of every sample, [batch] float32 on the device of sigma [batch].

    Some nodes have a scale per sample, in any shape with one number for each; NaN for a scale of another kind.
    """
    if isinstance(scale, Tensor) and scale.numel() in (1, len(sigma)):
        return scale.float().flatten().to(sigma.device).expand(len(sigma))
    return torch.full_like(sigma, torch.nan if isinstance(scale, Tensor) else float(scale), dtype=torch.float32)


def norm(values: Tensor) -> Tensor:
    """L2 norm of every sample over all its other dimensions: [batch, ...] -> [batch], float32."""
    return torch.linalg.vector_norm(values.flatten(1).float(), dim=1)


def rms(l2: Tensor, elements: int) -> Tensor:
    """The L2 norm per square root of the `elements` of a sample: the same at every resolution."""
    return l2 / elements**0.5


def prediction_norms(x: Tensor, cond: Tensor, uncond: Tensor, g: Tensor, sigma: Tensor) -> list[Tensor]:
    """Norms of the guidance, of the conditional and of the unconditional noise prediction: [batch] each, float32.

    The guidance is g / sigma with g = D_c - D_u [batch, ...]: eps_u - eps_c exactly for eps- and v-prediction, the
    difference of the velocities for flow models. Likewise the noise that a denoised prediction D implies is
    (x - D) / sigma (the curves of Figures 2 and 3).
    """
    sigma = sigma.float()
    return [norm(g) / sigma, norm(x - cond) / sigma, norm(x - uncond) / sigma]


def pull(g: Tensor, uncond: Tensor, target: Tensor) -> Tensor:
    """The share of the way from D_u to `target` [batch, ...] that D_c = D_u + g goes: [batch], float32.

    <g, target - D_u> / |target - D_u|^2: 1 where D_c is the target, 0 where it goes another way or none.
    """
    way = (target - uncond).float().flatten(1)
    return (g.float().flatten(1) * way).sum(1) / way.square_().sum(1)


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


def before_transition(settings: Settings, cond: Tensor, uncond: Tensor) -> Tensor:
    """What is followed before the transition in the place of CFG, [batch, ...]."""
    return BEFORE_TRANSITION[settings.before_transition](cond, uncond, settings.opposite_scale)


def scale_before_transition(settings: Settings) -> float | None:
    """The guidance scale s of equation 4 that `before_transition` amounts to; None where the host's stays in force."""
    scales = {ZERO: 0.0, OPPOSITE: -settings.opposite_scale, CONDITIONAL: 1.0, ORTHOGONAL: None}
    return scales[settings.before_transition]
