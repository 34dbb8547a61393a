"""The scores that Detect Memorization may go by: from how a prompt begins to how its picture ends."""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import comfy.sample
import torch
from torch import Tensor

from ..samplers.anisotropy import LOW, alignment, anisotropy
from ..samplers.attention_entropy import LAYER, entropy
from ..samplers.early_steps import prediction_change
from ..samplers.guidance import per_sample
from ..samplers.host.attention import edit_attention, layers
from ..samplers.host.before_run import noising
from ..samplers.host.cfg_hooks import PRE_CFG
from ..samplers.host.probe import probe, visit
from ..samplers.schedule import Observations
from .first_norms import SCHEDULE_STEPS, Start, first_norms
from .sampling import fitting_samples, schedule

NORM, ANISOTROPY, CHANGE, LAST, ENTROPY = (
    "guidance norm",
    "anisotropy",
    "prediction change",
    "last step",
    "attention entropy",
)


class Scored(NamedTuple):
    """values [starts], high for a memorized prompt; how the report writes one, and what it adds."""

    values: Tensor
    in_words: Callable[[float], str]
    lines: list[str]


def plain_number(value: float) -> str:
    return f"{value:.4g}"


def guidance_norm(positive: list, start: Start) -> Scored:
    """Wen et al.: the mean norm over the first steps."""
    found = first_norms(positive, start)
    return Scored(found.rms.mean(0), found.in_words, found.lines())


def last_step(positive: list, start: Start) -> Scored:
    """Kim & Lee: the norm of the last of all steps (samplers/memorization_map.py)."""
    found = first_norms(positive, replace(start, steps=SCHEDULE_STEPS))
    return Scored(found.rms[-1], found.in_words, found.lines())


def anisotropic(positive: list, start: Start) -> Scored:
    """Asthana & Belagiannis: the first norm, and a second look at the same noise (samplers/anisotropy.py)."""
    samples, noise = beginnings(start)
    sampling = start.model.get_model_object("model_sampling")
    sigma = float(sampling.percent_to_sigma(1 - LOW / 1000))
    # The model is to see noise of variance one, as in the first step.
    seen = sampling.calculate_input(torch.tensor([sigma]), torch.ones(1, 1, 1, 1)).item()
    low = probe(start.model, positive, start.negative, samples, noise / (seen * noising(sampling)(sigma)[1]), sigma)
    norm = first_norms(positive, replace(start, steps=1)).rms[0]
    cosine = alignment(*low)
    return Scored(anisotropy(norm, cosine), plain_number, [f"norm {norm.mean():.4f}, cosine {cosine.mean():.3f}"])


def prediction_changes(positive: list, start: Start) -> Scored:
    """Of the second and the third step (samplers/early_steps.py)."""
    kept: list[Tensor] = []
    levels = schedule(start.model, SCHEDULE_STEPS, start.sampler_name, start.scheduler)
    observes = Observations(levels.tolist())

    def keep(args: dict) -> list:
        if observes(args["sigma"][0].item()) and len(kept) < 3:
            noise = (args["input"] - args["conds_out"][0]).float() / per_sample(args["sigma"].float(), args["input"])
            kept.append(noise.cpu())
        return args["conds_out"]

    watched = start.model.clone()
    watched.model_options = {**watched.model_options, PRE_CFG: [keep, *watched.model_options.get(PRE_CFG, [])]}
    first_norms(positive, replace(start, model=watched, steps=3))
    return Scored(prediction_change(kept), plain_number, [])


def attention_entropy(positive: list, start: Start) -> Scored:
    """Ren et al.: of the first step's attention (samplers/attention_entropy.py)."""
    number, values = min(LAYER, len(layers(start.model)) - 1), []

    def record(call) -> tuple[Tensor, Tensor]:
        if call.number == number and call.prompts.any():
            rows = call.prompts.nonzero().flatten()
            values.append(entropy(call.q[rows], call.k[rows], call.heads).cpu())
        return call.k, call.v

    samples, noise = beginnings(start)
    sigma = schedule(start.model, SCHEDULE_STEPS, start.sampler_name, start.scheduler)[0].item()
    visit(edit_attention(start.model, record), positive, start.negative, samples, noise, sigma)
    return Scored(torch.cat(values).unflatten(0, (-1, len(samples))).mean(0), plain_number, [])


def beginnings(start: Start) -> tuple[Tensor, Tensor]:
    """The empty latents and the start noises of a KSampler batch."""
    samples = fitting_samples(start.model, start.latent_image)[[0] * start.n_seeds]
    return samples, comfy.sample.prepare_noise(samples, start.seed)


SCORES = {
    NORM: guidance_norm,
    ANISOTROPY: anisotropic,
    CHANGE: prediction_changes,
    LAST: last_step,
    ENTROPY: attention_entropy,
}
