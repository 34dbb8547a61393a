"""Holding the norm of the predicted image (Huang et al., KDD 2026). Experimental: parts of it are not published.

*Broken Memories: Detecting and Mitigating Memorization in Diffusion Models with Degraded Generations*: memorized
prompts make unstable steps. Per sample, at the noise level k, with z the latent as the network sees it, D the predicted
image under guidance, and what ordinary pictures do (mu, sd, mu0):

    d_k = z_{k+1} - z_k                         the step
    s_k = | ||d_k|| - mu_k | / sd_k             how far it is from those of ordinary pictures
    D_k = (mu0_k / ||D_k||) D_k                 where s_k > g

Published are s_k, its use in both directions, the rescaling (the mild one of two severities), and that 50 ordinary
prompts were enough. Reconstructed here:

- g, which no source gives: a multiple of the 99th percentile of the largest s_k of an ordinary picture, each judged by
  the others, so that few pictures do not make it too small.
- d_k is the DDIM step that D_k leads to, whatever the sampler, and is judged before it is made. The paper takes the
  sampler's own (PNDM, DDIM) and does not say, as far as is known, whether it corrects the step or the one after it.
- Each step is judged by itself. The strong severity, which clamps ||z_k|| and ||d_k|| too, is left out: it needs a
  sampler of its own, and where it begins is not published.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from .guidance import norm, per_sample, select
from .schedule import SIGMA_TOLERANCE

PERCENTILE = 0.99  # of ordinary pictures
FEWEST = 3  # pictures with which one can be judged by the others
TINY = 1e-6  # of a mean, where there is no spread


class Place(NamedTuple):
    """A step: from the noise level sigma to the one below.

    scales  what z is of ComfyUI's latent x, at both levels: 1 / sqrt(1 + sigma^2) for eps- and v-prediction
    """

    sigma: float
    below: float
    scales: tuple[float, float]


class Level(NamedTuple):
    """What ordinary pictures do in a step: mean and deviation of ||d_k||, and the mean of ||D_k||."""

    place: Place
    mean: float
    deviation: float
    denoised: float


class CleanNorms(NamedTuple):
    """What ordinary pictures do in a run.

    levels    at which its sampler calls the model, from noise to picture
    schedule  its noise levels
    shape     of its latents, without the batch
    limit     g
    """

    levels: tuple[Level, ...]
    schedule: tuple[float, ...]
    shape: tuple[int, ...]
    limit: float


def step_norm(x: Tensor, denoised: Tensor, place: Place) -> Tensor:
    """||d_k|| of the DDIM step from x [batch, ...] towards `denoised`: [batch]."""
    x, denoised = x.float(), denoised.float()
    following = x + (x - denoised) * ((place.below - place.sigma) / place.sigma)
    return norm(following * place.scales[1] - x * place.scales[0])


def score(step: Tensor, mean: float | Tensor, deviation: float | Tensor) -> Tensor:
    """s_k."""
    return (step - mean).abs() / (deviation + TINY * mean)


def limit_of(steps: Tensor) -> float:
    """The 99th percentile of max_k s_k of ordinary pictures; steps [pictures, levels]."""
    largest = []
    for picture in range(len(steps)):
        others = torch.cat([steps[:picture], steps[picture + 1 :]])
        largest.append(score(steps[picture], others.mean(0), others.std(0)).max())
    return torch.stack(largest).quantile(PERCENTILE).item()


def levels_and_limit(places: Sequence[Place], steps: Tensor, denoised: Tensor) -> tuple[tuple[Level, ...], float]:
    """The statistics of ordinary pictures: ||d_k|| and ||D_k||, both [pictures, levels].

    Raises ValueError for fewer than three pictures.
    """
    if len(steps) < FEWEST:
        raise ValueError(
            f"ordinary_prompts and n_seeds make {len(steps)} picture(s), of which no spread can be known: calibrate "
            "with more, the paper took 50 prompts."
        )
    columns = steps.mean(0).tolist(), steps.std(0).tolist(), denoised.mean(0).tolist()
    levels = tuple(Level(place, *found) for place, *found in zip(places, *columns, strict=True))
    return levels, limit_of(steps)


def level_of(levels: Sequence[Level], sigma: float) -> Level | None:
    """The one at this noise level, which samplers may have computed anew."""
    return next((level for level in levels if same(level.place.sigma, sigma)), None)


def same(one: float, other: float) -> bool:
    """Whether two noise levels are one."""
    return abs(one - other) <= SIGMA_TOLERANCE * other


def held(x: Tensor, denoised: Tensor, level: Level, limit: float) -> Tensor:
    """D_k [batch, ...], of the norm mu0_k where the step from x is further off than the limit, else as it is."""
    step = step_norm(x, denoised, level.place)
    length = norm(denoised)
    on = (score(step, level.mean, level.deviation) > limit) & (length > 0)
    factor = per_sample(torch.where(on, level.denoised / length, 1), denoised)
    return select(on, (denoised.float() * factor).to(denoised.dtype), denoised)
