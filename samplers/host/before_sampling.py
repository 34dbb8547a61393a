"""Both predictions of a model at the first noise level of a run, as often as a method likes, before the run begins.

It is a sampler to the host: a guider prepares the model and its conditionings as for any run, and then asks this in the
place of Euler. The hooks of CFG have no part in it; patches of the model itself have.
"""

from collections.abc import Callable
from typing import Any

import comfy.samplers
import torch
from torch import Tensor

from ..guidance import per_sample
from .patch import unpatched

Delta = Callable[[Tensor], Tensor]


class OnNoise(comfy.samplers.Sampler):
    """Calls `work(noise, delta)`; delta(n) is eps_c - eps_u at the first of the sigmas, both [batch, ...] float32."""

    def __init__(self, work: Callable[[Tensor, Delta], Tensor]):
        self.work = work
        self.made: Any = None

    @torch.no_grad()
    def sample(self, guider, sigmas, extra_args, callback, noise, latent_image=None, *args, **kwargs):
        model, options = guider.inner_model, extra_args["model_options"]
        conds = [guider.conds["positive"], guider.conds["negative"]]
        start = torch.zeros_like(noise) if latent_image is None else latent_image
        sigma = sigmas[:1].expand(len(noise))

        def delta(n: Tensor) -> Tensor:
            x = model.model_sampling.noise_scaling(sigmas[0], n, start, self.max_denoise(guider, sigmas))
            cond, uncond = comfy.samplers.calc_cond_batch(model, conds, x, sigma, options)
            return (uncond.float() - cond.float()) / per_sample(sigma.float(), cond)

        self.made = self.work(noise.float(), delta)
        return noise


def on_noise(
    model: Any, positive: list, negative: list, sigmas: Tensor, latent: dict, noise: Tensor, seed: int, work: Callable
) -> Tensor:
    """What `work(noise, delta)` makes of the noise for a run of `model` on `latent`, where and as the noise was."""
    guider = comfy.samplers.CFGGuider(unpatched(model))
    guider.set_conds(positive, negative)
    sampler, options = OnNoise(work), {"denoise_mask": latent.get("noise_mask"), "disable_pbar": True, "seed": seed}
    guider.sample(noise, latent["samples"], sampler, sigmas, **options)
    return sampler.made.to(noise)
