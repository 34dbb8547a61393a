"""What a run watches in a model call: the series of its trace, by name."""

import torch
from torch import Tensor

from .guidance import prediction_norms, pull, scale_per_sample
from .orthogonal import Pulls
from .settings import ESCAPE, ORTHOGONAL, Settings

# What every run watches. Escape adds "pull", orthogonal guidance "first_pull" and "second_pull".
ALWAYS = ("sigma", "guidance_norm", "conditional_norm", "unconditional_norm", "scale")


class Watch:
    """The numbers of every model call, and what methods remember of the first one, all on the model's device."""

    def __init__(self, settings: Settings, active: bool):
        self.settings = settings
        self.target = None  # of an escape: the first conditional prediction
        self.pulls = Pulls() if active and settings.before_transition == ORTHOGONAL else None
        self.left = torch.empty(2, 0)  # of the pulls, in the last call

    def __call__(
        self, x: Tensor, cond: Tensor, uncond: Tensor, sigma: Tensor, scale: float | Tensor
    ) -> dict[str, Tensor]:
        """[batch] float32 each. x, cond, uncond [batch, ...]: the noisy input and its two denoised predictions."""
        g = cond - uncond
        norms = prediction_norms(x, cond, uncond, g, sigma)
        seen: dict[str, Tensor] = dict(
            zip(ALWAYS, [sigma.float(), *norms, scale_per_sample(scale, sigma)], strict=True)
        )
        if self.settings.transition == ESCAPE:
            if self.target is None or self.target.shape != cond.shape:  # some samplers change the size on the way
                self.target = cond.clone()
            seen["pull"] = pull(g, uncond, self.target)
        if self.pulls is not None:
            self.left = self.pulls(g, sigma)
            seen["first_pull"], seen["second_pull"] = self.left
        return seen

    def without_pulls(self, cond: Tensor) -> Tensor:
        """The conditional prediction of the last call as orthogonal guidance follows it; as it is for other choices."""
        return cond if self.pulls is None else self.pulls.taken_out(cond, self.left, self.settings.repulsion)
