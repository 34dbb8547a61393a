"""Orthogonal guidance (ours, in no paper): the prompt without the direction in which its first step pulled.

Per sample, with the denoised predictions D_c and D_u and g = D_c - D_u:

    first call   v = g
    every call   q = max(<g, v> / <v, v>, 0)      how much of the first pull is left
                 D_c' = D_c - (1 + r) q v         r >= 0, the repulsion

The host's CFG and every other node's hook then run on D_c' and D_u: D_u + s (g - (1 + r) q v). For a memorized prompt
D_c of the first step is (nearly) the memorized image, so v is the way to it; docs/orthogonal-guidance.md says why it
works, and where it does not.

Where a prompt has several memorized images, the first step shows their mean, and the trajectory falls to one of them
later. Then what is left of g outgrows the first pull, and a second one, orthogonal to v, is taken out likewise:

    |g - q v| > 1.75 |v|, the first time   w = g - <g, v> / <v, v> v
"""

import torch
from torch import Tensor

from .guidance import per_sample

OUTGROWN = 1.75  # chosen on the tuning halves, by `make bench-methods`


def inner(one: Tensor, other: Tensor) -> Tensor:
    """<one, other> per sample, in float32: [batch, ...] -> [batch]."""
    return torch.linalg.vecdot(one.flatten(1).float(), other.flatten(1).float())


def nobody(samples: Tensor) -> bool:
    """Whether a mask [batch] is empty, where asking costs no wait for the device."""
    return samples.is_cpu and not samples.any()


class Direction:
    """A direction of every sample's guidance, [batch, ...] on the model's device; zero for samples without one."""

    def __init__(self, v: Tensor):
        self.v, self.squared = v, inner(v, v)

    def share(self, g: Tensor) -> Tensor:
        """<g, v> / <v, v> [batch] float32, 0 without a direction."""
        return torch.where(self.squared > 0, inner(g, self.v) / self.squared, 0)


class Pulls:
    """v and w of every sample of a run, and what is left of them in each model call."""

    def __init__(self) -> None:
        self.first = self.second = Direction(torch.empty(0, 0))

    def __call__(self, g: Tensor, shown: Tensor) -> Tensor:
        """How much of the first and of the second pull is left: [2, batch] float32, 0 for a sample without one.

        g [batch, ...]: the guidance D_c - D_u; shown [batch] bool: the samples whose own it is.
        """
        if self.first.v.shape != g.shape:  # the first call, or a sampler that changes the size on the way
            self.first = self.second = Direction(torch.zeros_like(g))
        begins = shown & (self.first.squared == 0)
        if not nobody(begins):
            self.first = Direction(torch.where(per_sample(begins, g), g, self.first.v))
        along = self.first.share(g)
        q = along.clamp_min(0)
        self._look_for_second(g, along, shown & (inner(g, g) - q**2 * self.first.squared > self._outgrown()))
        left = torch.zeros_like(q) if nobody(self.second.squared > 0) else self.second.share(g).clamp_min(0)
        return torch.stack([q, left])

    def _outgrown(self) -> Tensor:
        """How long |g - q v|^2 must be for a second pull [batch]."""
        return OUTGROWN**2 * self.first.squared

    def _look_for_second(self, g: Tensor, along: Tensor, outgrown: Tensor) -> None:
        found = outgrown & (self.first.squared > 0) & (self.second.squared == 0)
        if not nobody(found):
            w = torch.addcmul(g, per_sample(along, g).to(g.dtype), self.first.v, value=-1)
            self.second = Direction(torch.where(per_sample(found, g), w, self.second.v))

    def taken_out(self, cond: Tensor, left: Tensor, repulsion: float) -> Tensor:
        """D_c' [batch, ...] of D_c and what is left of the pulls, [2, batch]."""
        first, second = ((1 + repulsion) * left).to(cond.dtype)
        cond = torch.addcmul(cond, per_sample(first, cond), self.first.v, value=-1)
        return cond if nobody(second > 0) else torch.addcmul(cond, per_sample(second, cond), self.second.v, value=-1)
