"""The guidance norms of a prompt's first steps, for Detect Memorization."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import comfy.sample
import comfy.samplers
import torch
from torch import Tensor

from ..samplers.guidance import rms
from ..samplers.settings import STATIC, Settings
from .sampling import build_guider, fitting_samples, sample_latent

SCHEDULE_STEPS = 50  # of the paper; only their first ones are run


class FirstNorms(NamedTuple):
    """Guidance norms of the first steps: timesteps [steps], rms [steps, starts], the elements of a sample."""

    timesteps: Tensor
    rms: Tensor
    elements: int


@dataclass(frozen=True)
class Start:
    """How every prompt is looked at: `steps` first steps of `n_seeds` starts."""

    model: Any
    negative: list
    latent_image: dict
    seed: int
    n_seeds: int
    steps: int
    sampler_name: str
    scheduler: str
    cfg: float


def first_norms(positive: list, start: Start) -> FirstNorms:
    """Of the first steps under plain CFG, for the starts of a KSampler batch."""
    model, steps = start.model, start.steps
    # A static transition at 0 is plain CFG with both predictions, at cfg 1 too.
    guider = build_guider(model, positive, start.negative, start.cfg, Settings(STATIC, static_percent=0.0))
    sigmas = comfy.samplers.KSampler(
        model, SCHEDULE_STEPS, model.load_device, start.sampler_name, start.scheduler
    ).sigmas
    # What follows the last watched step is not needed: samplers leap from there to the end in one model call.
    sigmas = torch.cat([sigmas[:steps], sigmas.new_zeros(1)])
    samples = fitting_samples(model, start.latent_image)[[0] * start.n_seeds]
    noise = comfy.sample.prepare_noise(samples, start.seed)
    sample_latent(guider, start.sampler_name, sigmas, noise, samples, start.latent_image, start.seed)
    if not guider.trace.runs:
        raise ValueError(
            "There is no guidance to look at: positive and negative must both hold at the start of sampling. Leave out "
            "Conditioning (Set Timestep Range)."
        )
    run = guider.trace.runs[0]
    return FirstNorms(run.quantity("timestep")[:, 0], rms(run.quantity("guidance_norm"), run.elements), run.elements)
