"""The predictions of a model for a run, before it begins, and their gradients.

    def work(noise, run):
        norms, gradient = run.value_and_gradient(lambda n: norm(run.delta(n)), noise)

    with_gradients(model, positive, negative, sigmas, latent, noise, seed, work)

In the place of run.delta, eps_c - eps_u at the first noise level, may stand run.cond(x, sigma, context) and
run.uncond(x, sigma), D_c and D_u at any level and of any prompt.
"""

import math
from collections.abc import Callable
from typing import Any

import comfy.model_management
import torch
from torch import Tensor

from .before_sampling import OnNoise, Predictions, before_run
from .gradients import OUT_OF_MEMORY, refuse, value_and_gradient

PROMPT = "c_crossattn"  # the host's name for the prompt's sequence of tokens


class Differentiable(Predictions):
    """Predictions that may be differentiated.

    forward   predictions that were asked for so far, of every sample: two for a pair
    backward  of these, through how many a gradient went back
    """

    def __init__(self, *args: Any):
        super().__init__(*args)
        network = self.model.diffusion_model
        refuse(type(self.model).__name__, network.named_parameters())
        self.forward = self.backward = 0
        self.in_main_memory = any(weight.device != self.start.device for weight in network.parameters())

    @property
    def embedding(self) -> Tensor:
        """The prompt as the model takes it, [1 or batch, tokens, dim]: what `context` may stand for."""
        positive = self.conds[0]
        if len(positive) != 1 or PROMPT not in positive[0]["model_conds"]:
            raise ValueError(
                "positive must be one prompt, and the model one that takes it as a sequence of tokens: leave out "
                "Conditioning (Combine) and areas."
            )
        return positive[0]["model_conds"][PROMPT].cond

    def denoised(self, conds: list, x: Tensor, sigma: Tensor) -> list[Tensor]:
        comfy.model_management.throw_exception_if_processing_interrupted()
        self.forward += len(x) * sum(cond is not None for cond in conds)
        return super().denoised(conds, x, sigma)

    def cond(self, x: Tensor, sigma: Tensor, context: Tensor | None = None) -> Tensor:
        """D_c of x [batch, ...] at the level sigma [], float32; with `context` in the place of the prompt."""
        return self.denoised([self._positive(context), None], x, sigma)[0].float()

    def uncond(self, x: Tensor, sigma: Tensor) -> Tensor:
        """D_u of x, float32."""
        return self.denoised([None, self.conds[1]], x, sigma)[1].float()

    def value_and_gradient(
        self, f: Callable[[Tensor], Tensor], at: Tensor, enough: float = -math.inf
    ) -> tuple[Tensor, Tensor | None]:
        """As that of gradients.py, counted. Out of memory, it goes on with what backward needs in main memory."""
        before, found = self.forward, None
        try:
            found = value_and_gradient(f, at, enough, self.in_main_memory)
        except OUT_OF_MEMORY:
            if self.in_main_memory:
                raise
        if found is None:  # not in `except`, which holds on to the attempt's memory
            self.in_main_memory, self.forward = True, before
            comfy.model_management.soft_empty_cache()
            return self.value_and_gradient(f, at, enough)
        value, gradient = found
        self.backward += 0 if gradient is None else self.forward - before
        return value, gradient

    def _positive(self, context: Tensor | None) -> list:
        if context is None:
            return self.conds[0]
        entry = self.conds[0][0]
        prompt = type(entry["model_conds"][PROMPT])(context)
        return [{**entry, "model_conds": {**entry["model_conds"], PROMPT: prompt}}]


class WithGradients(OnNoise):
    predictions = Differentiable

    def sample(self, *args: Any, **kwargs: Any) -> Tensor:
        with torch.inference_mode(False):
            return super().sample(*args, **kwargs)


def with_gradients(
    model: Any, positive: list, negative: list, sigmas: Tensor, latent: dict, noise: Tensor, seed: int, work: Callable
) -> Any:
    """What `work(noise, run)` makes of the noise [batch, ...] float32 for a run of `model` on `latent`.

    The run is Differentiable. Raises ValueError for a model that cannot be.
    """
    return before_run(model, positive, negative, sigmas, latent, noise, seed, WithGradients(work))
