"""Orthogonal guidance (ours, in no paper): the prompt without the direction in which its first step pulled.

Per sample, with the denoised predictions D_c and D_u and g = D_c - D_u:

    first call   v = g
    every call   q = max(<g, v> / <v, v>, 0)      how much of the first pull is left
                 D_c' = D_c - (1 + r) q v         r >= 0, the repulsion

The host's CFG and every other node's hook then run on D_c' and D_u: D_u + s (g - (1 + r) q v). For a memorized prompt
D_c of the first step is (nearly) the memorized image, so v is the way to it; docs/orthogonal-guidance.md says why it
works, and where it does not.
"""

import torch
from torch import Tensor

from .guidance import per_sample


def inner(one: Tensor, other: Tensor) -> Tensor:
    """<one, other> per sample, in float32: [batch, ...] -> [batch]."""
    return torch.linalg.vecdot(one.flatten(1).float(), other.flatten(1).float())


class FirstPull:
    """v of every sample of a run, and what is left of it in each model call."""

    def __init__(self) -> None:
        self.calls = 0
        self.v = self.squared = torch.empty(0)  # [batch, ...] on the model's device, and <v, v> [batch]

    def __call__(self, g: Tensor, sigma: Tensor) -> Tensor:
        """q of this model call: [batch] float32, 0 for a sample whose first call had no guidance.

        g [batch, ...]: the guidance D_c - D_u; sigma [batch]: the noise level.
        """
        self.calls += 1
        if self.v.shape != g.shape:  # the first call, or a sampler that changes the size on the way
            self._remember(torch.where(per_sample(sigma > 0, g), g, 0))
        elif self.calls == 2:  # some samplers show the model a finished picture (noise level 0) first
            self._remember(torch.where(per_sample(self.squared == 0, g), g, self.v))
        return torch.where(self.squared > 0, inner(g, self.v) / self.squared, 0).clamp_min(0)

    def _remember(self, v: Tensor) -> None:
        self.v, self.squared = v, inner(v, v)

    def taken_out(self, cond: Tensor, q: Tensor, repulsion: float) -> Tensor:
        """D_c' [batch, ...] of D_c and q [batch]."""
        return cond - per_sample((1 + repulsion) * q, cond).to(cond.dtype) * self.v
