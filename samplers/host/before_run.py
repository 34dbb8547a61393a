"""What can be known of a run before it begins: its model's noise levels, and whether its sampler adds noise."""

import copy
import functools
import inspect
import logging
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


def near(model_sampling: Any) -> Any:
    """A copy of a model's noise schedule on the CPU: each question to the original would be a wait for its device."""
    return copy.deepcopy(model_sampling).to("cpu")


def percent_to_sigma(model_sampling: Any) -> Callable[[float], float]:
    """The host's, of a copy on the CPU: a run asks for scores of levels."""
    return near(model_sampling).percent_to_sigma


def noising(model_sampling: Any) -> Callable[[float], tuple[float, float]]:
    """What of a clean latent, and of noise, the host makes a noisy one of at a noise level."""
    one, none = torch.ones(1, 1, 1, 1), torch.zeros(1, 1, 1, 1)

    def parts(sigma: float) -> tuple[float, float]:
        level = torch.tensor([sigma])
        return tuple(model_sampling.noise_scaling(level, *mixed).item() for mixed in ((none, one), (one, none)))

    return parts


def adds_noise(sampler: Any, model_sampling: Any) -> bool | None:
    """Whether a sampler draws noise on the way: by trial with a model's noise schedule (on the CPU), or as its
    arguments say. None where neither tells."""
    function, options = getattr(sampler, "sampler_function", None), dict(getattr(sampler, "extra_options", {}))
    if function is None:
        return None
    try:
        one, other = (_trial(function, options, model_sampling, seed) for seed in (0, 1))
        if one.isfinite().all():
            return not torch.equal(one, other)
    except Exception:  # it needs more of a model than a trial has
        logging.debug("Basin Escape: no trial of %s", function, exc_info=True)
    return True if "noise_sampler" in inspect.signature(_unwrapped(function)).parameters else None


class _Still:
    """The least of a model: it predicts grey, and is its own inner model and patcher."""

    device, diffusion_model = torch.device("cpu"), None

    def __init__(self, model_sampling: Any) -> None:
        self.model_sampling = model_sampling
        self.inner_model = self.model_patcher = self

    def __call__(self, x: Tensor, sigma: Tensor, model_options: dict = {}, **kwargs) -> Tensor:
        grey = torch.zeros_like(x)
        for post_cfg in model_options.get("sampler_post_cfg_function", []):  # by which CFG++ samplers learn D_u
            post_cfg({"denoised": grey, "cond_denoised": grey, "uncond_denoised": grey, "input": x, "sigma": sigma})
        return grey

    def get_model_object(self, name: str) -> None:
        return None


def _trial(function: Callable, options: dict, model_sampling: Any, seed: int) -> Tensor:
    """Three noise levels of one small latent; the random state is as it was afterwards."""
    levels = torch.tensor([model_sampling.percent_to_sigma(percent) for percent in (0.3, 0.5, 0.7)])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        as_the_host = {"extra_args": {"seed": seed, "model_options": {"transformer_options": {}}}, "callback": None}
        return function(_Still(model_sampling), torch.ones(1, 4, 4, 4), levels, disable=True, **as_the_host, **options)


def _unwrapped(function: Any) -> Any:
    while isinstance(function, functools.partial):
        function = function.func
    return function
