"""What a run watches in a model call: the series of its trace, by name."""

import torch
from torch import Tensor

from .guidance import per_sample, prediction_norms, pull, scale_per_sample
from .orthogonal import Pulls
from .repeats import left_out
from .settings import ESCAPE, ORTHOGONAL, ZERO, Settings

# What every run watches. Escape adds "pull", orthogonal guidance "first_pull" and "second_pull".
ALWAYS = ("sigma", "guidance_norm", "conditional_norm", "unconditional_norm", "scale")
LEFT_OUT = "left_out"  # 1 for a sample of which a prediction was not made: its norms are NaN; no series of the trace


class Watch:
    """The numbers of every model call, and what methods remember of the first one, all on the model's device."""

    def __init__(self, settings: Settings, active: bool):
        self.settings = settings
        self.left_out = torch.empty(0)  # [batch] bool: without one of its predictions, in the last call
        self.target = self.aims = torch.empty(0)  # of an escape: the first D_c, and whether a sample has it
        self.pulls = Pulls() if active and settings.before_transition == ORTHOGONAL else None
        self.left = torch.empty(2, 0)  # of the pulls, in the last call

    def __call__(
        self, x: Tensor, cond: Tensor, uncond: Tensor, sigma: Tensor, scale: float | Tensor
    ) -> dict[str, Tensor]:
        """[batch] float32 each. x, cond, uncond [batch, ...]: the noisy input and its two denoised predictions."""
        g = cond - uncond
        norms = prediction_norms(x, cond, uncond, g, sigma)
        self.left_out = left_out(cond, uncond, norms[1:])
        norms = torch.stack(norms).masked_fill(self.left_out, torch.nan)
        values = [sigma.float(), *norms, scale_per_sample(scale, sigma), self.left_out.float()]
        seen: dict[str, Tensor] = dict(zip((*ALWAYS, LEFT_OUT), values, strict=True))
        # Where a sample's guidance is seen: not in a finished picture, which some samplers show the model first.
        shown = (sigma > 0) & ~self.left_out
        if self.settings.transition == ESCAPE:
            self._aim(cond, shown)
            seen["pull"] = pull(g, uncond, self.target)
        if self.pulls is not None:
            left = self.pulls(g, shown)
            self.left = left.masked_fill(self.left_out, 0)
            seen["first_pull"], seen["second_pull"] = left.masked_fill(self.left_out, torch.nan)
        return seen

    def _aim(self, cond: Tensor, shown: Tensor) -> None:
        if self.target.shape != cond.shape:  # the first call, or a sampler that changes the size on the way
            self.target, self.aims = torch.zeros_like(cond), torch.zeros_like(shown)
        self.target = torch.where(per_sample(shown & ~self.aims, cond), cond, self.target)
        self.aims = self.aims | shown

    def held(self, cond: Tensor, uncond: Tensor) -> Tensor:
        """D_c of the last call for samples that wait: under orthogonal guidance without their pulls.

        Where one of the two predictions was left out there is no guidance to follow or to turn around: D_u as it is.
        """
        if self.settings.before_transition == ZERO:
            return cond  # which is not followed
        cond = torch.where(per_sample(self.left_out, cond), uncond, cond)
        return cond if self.pulls is None else self.pulls.taken_out(cond, self.left, self.settings.repulsion)
