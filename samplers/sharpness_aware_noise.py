"""SAIL, sharpness-aware initialization for latent diffusion (Jeon et al., ICML 2025, Algorithm 2): a start around which
the prompt's pull is not sharp.

With delta(x) = eps_c(x) - eps_u(x) at the first timestep and an x of n elements:

    u = delta(x) / ||delta(x)||                     one step of length 1 along the pull
    L = (||delta(x + u)|| + alpha ||x||) / sqrt(n)      how strong it is there, and how far x is from a likely noise

    for every candidate x
        repeat at most `updates` times
            stop, and take x, if L <= threshold
            x = Adam step along dL/dx
    take the x whose L was lowest

This is the loss of the released code. The paper writes ||delta(x + u) - delta(x)||^2 + alpha ||x||^2. Lengths are per
square root of n, where the code's threshold of 8.2 and step of 1 (512 x 512 pixels) are 0.064 and 0.0078.

Deviations from the released code: u is taken at the present x, as in the paper, where the code keeps that of the start;
the first candidate is the noise that is handed in, and the others, which the code draws, are its elements in another
order; they are tried one after the other, and the threshold is not raised when all of them fail.
"""

from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor
from torch.optim import Adam

from .descent import Ask, Descent, descend
from .guidance import norm, per_sample, rms

NO_PULL = 1e-12


def sharpness(x: Tensor, delta: Callable[[Tensor], Tensor], step: float, alpha: float) -> Tensor:
    """L of every sample of x [batch, ...]: [batch]. `delta` is asked twice; `step` is per square root of n."""
    n = x[0].numel()
    g = delta(x)
    u = per_sample(step * n**0.5 / norm(g).clamp_min(NO_PULL), g) * g
    return rms(norm(delta(x + u)) + alpha * norm(x), n)


def candidates(x: Tensor, number: int) -> Iterator[Tensor]:
    """x [1, ...] itself, then its elements in other orders: as likely a noise, and the same for the same x."""
    yield x
    for seed in range(1, number):
        order = torch.randperm(x.numel(), generator=torch.Generator().manual_seed(seed)).to(x.device)
        yield x.flatten()[order].view_as(x)


def sharpness_aware(
    x: Tensor, loss: Ask, threshold: float, rate: float, updates: int, number: int
) -> tuple[Descent, list[Descent]]:
    """The one that is taken of the candidates of x [1, ...], and all that were tried; `loss` measures `sharpness`."""
    tried: list[Descent] = []
    for candidate in candidates(x, number):
        tried.append(descend(candidate, loss, threshold, updates, partial(Adam, lr=rate)))
        if tried[-1].values[-1] <= threshold:
            break
    return min(tried, key=lambda descent: descent.values[-1]), tried
