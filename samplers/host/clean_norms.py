"""The norms of a run's model calls, recorded, and the prediction of each call held to them: after other nodes' CFG."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ..guidance import norm
from ..held_norm import CleanNorms, Place, held, level_of, levels_and_limit, same, step_norm


class Recorder:
    """A post-CFG function that changes nothing and keeps the norms of a run, of the first call at each noise level.

    schedule  the run's noise levels
    """

    def __init__(self, schedule: Sequence[float]):
        self.schedule = tuple(schedule)
        self.places: list[Place] = []
        self.steps: list[Tensor] = []
        self.denoised: list[Tensor] = []
        self.shape: tuple[int, ...] = ()

    def __call__(self, args: dict) -> Tensor:
        x, denoised, sigma = args["input"], args["denoised"], args["sigma"][0].item()
        if sigma > 0 and not any(same(place.sigma, sigma) for place in self.places):
            below = max(level for level in (*self.schedule, 0.0) if level < sigma)
            place = Place(sigma, below, scales(args["model"].model_sampling, sigma, below))
            self.places.append(place)
            self.steps.append(step_norm(x, denoised, place).cpu())
            self.denoised.append(norm(denoised).cpu())
            self.shape = tuple(x.shape[1:])
        return denoised


def scales(model_sampling: Any, *sigmas: float) -> Any:
    """What the network sees of a latent at each noise level, as a factor."""
    return tuple(model_sampling.calculate_input(torch.tensor([sigma]), torch.ones(1, 1)).item() for sigma in sigmas)


def recorded(model: Any, schedule: Sequence[float]) -> tuple[Any, Recorder]:
    """A clone of `model` (a ModelPatcher), and what will know of its run."""
    patched, recorder = model.clone(), Recorder(schedule)
    patched.set_model_sampler_post_cfg_function(recorder)
    return patched, recorder


def statistics(recorders: Sequence[Recorder]) -> CleanNorms:
    """Of the runs of ordinary prompts, all with the same sampler and schedule."""
    steps = torch.cat([torch.stack(recorder.steps, dim=1) for recorder in recorders])
    denoised = torch.cat([torch.stack(recorder.denoised, dim=1) for recorder in recorders])
    levels, limit = levels_and_limit(recorders[0].places, steps, denoised)
    return CleanNorms(levels, recorders[0].schedule, recorders[0].shape, limit)


def hold_norms(model: Any, norms: CleanNorms, limit: float) -> Any:
    """A clone of `model` whose predictions are held; `limit` as a multiple of that of the norms."""
    patched = model.clone()
    patched.set_model_sampler_post_cfg_function(HeldNorms(norms, limit))
    return patched


class HeldNorms:
    """The post-CFG function. It remembers nothing.

    A call raises ValueError where the norms are of another size, schedule or sampler.
    """

    def __init__(self, norms: CleanNorms, limit: float):
        self.norms, self.limit = norms, limit

    def __call__(self, args: dict) -> Tensor:
        x, sigma = args["input"], args["sigma"][0].item()
        if sigma == 0:  # a finished picture, which some samplers show the model
            return args["denoised"]
        level = level_of(self.norms.levels, sigma)
        self.check(tuple(x.shape[1:]), args["model_options"].get("transformer_options", {}).get("sample_sigmas"))
        if level is None:
            raise ValueError(
                f"norms know nothing of the noise level {sigma:.4g}, where this sampler calls the model: calibrate "
                "anew, with the sampler, scheduler and number of steps of this run, at denoise 1."
            )
        return held(x, args["denoised"], level, self.limit * self.norms.limit)

    def check(self, shape: tuple[int, ...], schedule: Tensor | None) -> None:
        """Raise ValueError for another size, or another schedule where the host tells it (ComfyUI since 2025)."""
        if shape != self.norms.shape:
            sizes = ("x".join(map(str, size)) for size in (self.norms.shape, shape))
            raise ValueError("norms are of latents of {}, and this one has {}: calibrate anew.".format(*sizes))
        levels = self.norms.schedule if schedule is None else schedule.tolist()
        calibrated = self.norms.schedule[:-1]  # some samplers change the last one
        if len(levels) != len(self.norms.schedule) or not all(map(same, levels, calibrated)):
            raise ValueError(
                f"norms are of another schedule than this run of {len(levels) - 1} steps: calibrate anew, with its "
                "scheduler and number of steps, at denoise 1."
            )
