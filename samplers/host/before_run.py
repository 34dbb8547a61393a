"""What can be known of a run before it begins: its model's noise levels, and whether its sampler adds noise."""

import copy
import functools
import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


def percent_to_sigma(model_sampling: Any) -> Callable[[float], float]:
    """The host's, from a copy on the CPU: a run asks for scores of levels, and each would be a wait for the device."""
    return copy.deepcopy(model_sampling).to("cpu").percent_to_sigma


def noising(model_sampling: Any) -> Callable[[float], tuple[float, float]]:
    """What of a clean latent, and of noise, the host makes a noisy one of at a noise level."""
    one, none = torch.ones(1, 1, 1, 1), torch.zeros(1, 1, 1, 1)

    def parts(sigma: float) -> tuple[float, float]:
        level = torch.tensor([sigma])
        return tuple(model_sampling.noise_scaling(level, *mixed).item() for mixed in ((none, one), (one, none)))

    return parts


def adds_noise(sampler: Any) -> bool:
    """Whether a sampler draws noise on the way: by trial, and where a trial is not possible, as its arguments say."""
    function, options = getattr(sampler, "sampler_function", None), dict(getattr(sampler, "extra_options", {}))
    if function is None:
        return False
    try:
        return not torch.equal(*(_trial(function, options, seed) for seed in (0, 1)))
    except Exception:  # it needs more of a model than a trial has
        return "noise_sampler" in inspect.signature(_unwrapped(function)).parameters


class _Still:
    """The least of a model: it predicts grey, and is its own inner model and patcher."""

    model_sampling = None

    def __init__(self) -> None:
        self.inner_model = self.model_patcher = self

    def __call__(self, x: Tensor, sigma: Tensor, model_options: dict = {}, **kwargs) -> Tensor:
        grey = torch.zeros_like(x)
        for post_cfg in model_options.get("sampler_post_cfg_function", []):  # by which CFG++ samplers learn D_u
            post_cfg({"denoised": grey, "cond_denoised": grey, "uncond_denoised": grey, "input": x, "sigma": sigma})
        return grey

    def get_model_object(self, name: str) -> None:
        return None


def _trial(function: Callable, options: dict, seed: int) -> Tensor:
    """Three noise levels of one small latent; the random state is as it was afterwards."""
    levels = torch.tensor([3.0, 2.0, 1.0])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        extra = {"seed": seed, "model_options": {}}
        return function(_Still(), torch.ones(1, 4, 4, 4), levels, extra_args=extra, disable=True, **options)


def _unwrapped(function: Any) -> Any:
    while isinstance(function, functools.partial):
        function = function.func
    return function
