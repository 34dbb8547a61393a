"""The guidance norms of a prompt's first steps, for Detect Memorization."""

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..samplers.guidance import rms
from ..samplers.settings import STATIC, Settings
from .checks import check_fixed_steps, check_single
from .node_text import norm_in_words
from .sampling import build_guider, sample_latent, schedule, starts

SCHEDULE_STEPS = 50  # of the paper; only their first ones are run

FIRST_STEPS = {
    "n_seeds": (
        "INT",
        {
            "default": 4,
            "min": 1,
            "max": 64,
            "tooltip": "Number of start noises, run as one batch. Wen et al. used 4; 1 is nearly as good.",
        },
    ),
    "steps": (
        "INT",
        {
            "default": 1,
            "min": 1,
            "max": SCHEDULE_STEPS,
            "tooltip": f"How many of the first steps (of {SCHEDULE_STEPS}) are looked at, under plain CFG. 1 costs one "
            "pair of model calls per start. 50 is the paper's other way: a whole pass with CFG first.",
        },
    ),
}


class FirstNorms(NamedTuple):
    """Guidance norms of the first steps: timesteps [steps], rms [steps, starts], the elements of a sample."""

    timesteps: Tensor
    rms: Tensor
    elements: int

    def in_words(self, norm: float) -> str:
        return norm_in_words(norm, self.elements)

    def lines(self) -> list[str]:
        """The mean norm of every step."""
        each = zip(self.timesteps.tolist(), self.rms.mean(1).tolist(), strict=True)
        return [f"t = {timestep:.0f}: {self.in_words(norm)}" for timestep, norm in each]


@dataclass(frozen=True)
class Start:
    """How every prompt is looked at: `steps` first steps of `n_seeds` starts; the rest is KSampler's.

    Raises ValueError for a latent of several images, and for a sampler without a schedule.
    """

    model: Any
    negative: list
    latent_image: dict
    seed: int
    n_seeds: int
    steps: int
    sampler_name: str
    scheduler: str
    cfg: float

    def __post_init__(self) -> None:
        check_single(self.latent_image)
        check_fixed_steps(self.sampler_name)


def first_norms(positive: list, start: Start) -> FirstNorms:
    """Of the first steps under plain CFG, for the starts of a KSampler batch."""
    # A static transition at 0 is plain CFG with both predictions, at cfg 1 too.
    guider = build_guider(start.model, positive, start.negative, start.cfg, Settings(STATIC, static_percent=0.0))
    sigmas = schedule(start.model, SCHEDULE_STEPS, start.sampler_name, start.scheduler)
    # What follows the last watched step is not needed: samplers leap from there to the end in one model call.
    sigmas = torch.cat([sigmas[: start.steps], sigmas.new_zeros(1)])
    sample_latent(guider, start.sampler_name, sigmas, starts(start.latent_image, start.n_seeds), start.seed)
    if not guider.trace.runs:
        raise ValueError(
            "There is no guidance to look at: positive and negative must both hold at the start of sampling. Leave out "
            "Conditioning (Set Timestep Range)."
        )
    run = guider.trace.runs[0]
    return FirstNorms(run.quantity("timestep")[:, 0], rms(run.quantity("guidance_norm"), run.elements), run.elements)
