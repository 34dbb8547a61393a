"""The predictions of a model for a run, as often as a method likes, before the run begins.

It is a sampler to the host: a guider prepares the model and its conditionings as for any run, and then asks this in the
place of Euler. The hooks of CFG have no part in it; patches of the model itself have.
"""

from collections.abc import Callable
from typing import Any

import comfy.samplers
import torch
from torch import Tensor

from .conditioning import absent
from .patch import unpatched

Delta = Callable[[Tensor], Tensor]


class Predictions:
    """What the model says of a run that the host has prepared.

    sigma  the run's first noise level, []
    start  the latent that the noise is put on, in the model's units: [batch, ...]
    """

    def __init__(self, guider: Any, sigmas: Tensor, options: dict, start: Tensor, from_noise: bool):
        self.model, self.options = guider.inner_model, options
        self.conds = [guider.conds["positive"], guider.conds["negative"]]
        self.sigma, self.start, self.from_noise = sigmas[0], start, from_noise
        if any(absent(conds, sigmas[:1]) for conds in self.conds):
            raise ValueError(
                "There is no guidance to look at: positive and negative must both hold at the start of sampling. Leave "
                "out Conditioning (Set Timestep Range)."
            )

    def noisy(self, n: Tensor) -> Tensor:
        """The input of the run's first step, for the unit noise n."""
        return self.model.model_sampling.noise_scaling(self.sigma, n, self.start, self.from_noise)

    def denoised(self, conds: list, x: Tensor, sigma: Tensor) -> list[Tensor]:
        """What the model makes of x at the level sigma [] under each of these conditionings; zeros under None."""
        return comfy.samplers.calc_cond_batch(self.model, conds, x, sigma.expand(len(x)), self.options)

    def delta(self, n: Tensor) -> Tensor:
        """eps_c - eps_u at the first noise level for the unit noise n, both [batch, ...] float32."""
        cond, uncond = self.denoised(self.conds, self.noisy(n), self.sigma)
        return (uncond.float() - cond.float()) / self.sigma.float()


class OnNoise(comfy.samplers.Sampler):
    """Calls `work(noise, predictions)` with the noise in float32, and keeps what it made."""

    predictions: type[Predictions] = Predictions

    def __init__(self, work: Callable[[Tensor, Any], Any]):
        self.work = work
        self.made: Any = None

    @torch.no_grad()
    def sample(self, guider, sigmas, extra_args, callback, noise, latent_image=None, *args, **kwargs):
        start = torch.zeros_like(noise) if latent_image is None else latent_image
        options, from_noise = extra_args["model_options"], self.max_denoise(guider, sigmas)
        self.made = self.work(noise.float(), self.predictions(guider, sigmas, options, start, from_noise))
        return noise


def on_noise(
    model: Any, positive: list, negative: list, sigmas: Tensor, latent: dict, noise: Tensor, seed: int, work: Callable
) -> Tensor:
    """What `work(noise, delta)` makes of the noise for a run of `model` on `latent`, where and as the noise was."""
    sampler = OnNoise(lambda noise, predictions: work(noise, predictions.delta))
    return before_run(model, positive, negative, sigmas, latent, noise, seed, sampler).to(noise)


def before_run(
    model: Any, positive: list, negative: list, sigmas: Tensor, latent: dict, noise: Tensor, seed: int, sampler: OnNoise
) -> Any:
    """What the sampler's work makes of a run of `model` on `latent`. The pack's own patches are set aside."""
    guider = comfy.samplers.CFGGuider(unpatched(model))
    guider.set_conds(positive, negative)
    options = {"denoise_mask": latent.get("noise_mask"), "disable_pbar": True, "seed": seed}
    guider.sample(noise, latent["samples"], sampler, sigmas, **options)
    return sampler.made
