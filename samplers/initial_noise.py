"""Adjusting the initial noise, batch-wise (Han et al., NeurIPS 2025, section 4.1): a start that is less in the basin's
grip.

Per sample, with delta(x) = eps_c(x) - eps_u(x) at the first timestep, on the unit noise x:

    repeat M times
        g = delta(x)
        d = rho g / ||g||                      the direction in which the prompt's pull grows
        x = x - gamma (delta(x + d) - g)       down the sharpness of the pull, as in sharpness-aware minimization

"Batch-wise" is the paper's word for one treatment of all samples, with no gradient and no stop of its own; nothing
couples them, and so a sample has the same noise in any batch. It is made to be followed by zero guidance until t = 900
(SD 1.4).

rho is given here per square root of the elements of a sample (0.39 is the paper's 50 at 512 x 512 pixels), so that it
means the same at every resolution. Deviations from the released code: float32 throughout, where that keeps the noise in
bfloat16; delta comes from ComfyUI's denoised predictions, (D_u - D_c) / sigma, which is the velocity difference for
flow models.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from .guidance import norm, per_sample


def adjust_noise(x: Tensor, delta: Callable[[Tensor], Tensor], rho: float, gamma: float, iterations: int) -> Tensor:
    """Adjusted unit noise [batch, ...] of x [batch, ...]; `delta` is asked twice in each of the iterations.

    A sample without guidance (||g|| = 0) keeps its noise.
    """
    root = x[0].numel() ** 0.5
    for _ in range(iterations):
        g = delta(x)
        length = norm(g)
        step = torch.where(length > 0, rho * root / length, 0)
        x = x - gamma * (delta(x + per_sample(step, g) * g) - g)
    return x
