"""Other inference-time methods against memorization, with some settings each, as rows of the harness's tables."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch

from ...nodes import NODE_CLASS_MAPPINGS as NODES
from ...nodes.prompts import encode
from ...samplers.annealed_conditioning import Annealing
from ...samplers.guidance_schedule import GuidanceSchedule
from ...samplers.host.before_sampling import on_noise
from ...samplers.host.context import change_context
from ...samplers.host.scale_in_force import schedule_guidance
from ...samplers.initial_noise import adjust_noise
from ...samplers.settings import Settings
from ..methods import PLAIN, Method, Setup, guided


def scheduled(name: str, schedule: GuidanceSchedule) -> Method:
    """A guidance scale that changes on the way."""

    def change(setup: Setup) -> Setup:
        return replace(setup, model=schedule_guidance(setup.model, schedule))

    return Method(name, change, ("schedule", schedule))


def adjusted(name: str, rho: float, gamma: float, iterations: int, then: Method = PLAIN) -> Method:
    """The start noise adjusted batch-wise, and another method from there on."""

    def change(setup: Setup) -> Setup:
        noise = on_noise(
            setup.model,
            setup.positive,
            setup.negative,
            setup.sigmas,
            {"samples": torch.zeros_like(setup.noise)},
            setup.noise,
            setup.seeds[0],
            lambda x, delta: adjust_noise(x, delta, rho, gamma, iterations),
        )
        return then.change(replace(setup, noise=noise))

    return Method(name, change, ("adjusted noise", rho, gamma, iterations, then.name, then.settings))


def static(t: float) -> Method:
    """Zero guidance until the timestep t."""
    settings = Settings("static", "zero guidance", static_percent=1 - t / 1000)
    return guided(f"zero until t = {t:g}", settings)


def annealed(name: str, **widgets: float) -> Method:
    """CADS."""

    def change(setup: Setup) -> Setup:
        annealing = Annealing(seed=setup.seeds[0], **widgets)
        return replace(setup, model=change_context(setup.model, annealing, "annealing"))

    return Method(name, change, ("CADS", widgets))


def perturbed(kind: str, times: int) -> Method:
    """The prompt with further words, by the first start's seed."""

    def change(setup: Setup) -> Setup:
        (text,) = NODES["PerturbPrompt"]().perturb(setup.caption, kind, times, setup.seeds[0], setup.clip)
        return replace(setup, positive=encode(setup.clip, text))

    return Method(f"{kind} x {times}", change, ("perturbed prompt",))


def noised(strength: float) -> Method:
    """Gaussian noise on the prompt's embedding, by the first start's seed."""

    def change(setup: Setup) -> Setup:
        (positive,) = NODES["PerturbConditioning"]().perturb(setup.positive, strength, setup.seeds[0])
        return replace(setup, positive=positive)

    return Method(f"embedding + {strength:g} n", change, ("noise",))


def repadded(mode: str, share: float = 0.7, empty: bool = False) -> Method:
    """Other padding, of the empty prompt too where asked. The closed form pads nothing: it raises there, by name."""

    def change(setup: Setup) -> Setup:
        positive, negative = NODES["RepadPrompt"]().encode(setup.clip, setup.caption, mode, share)
        return replace(setup, positive=positive, negative=negative if empty else setup.negative)

    name = f"{mode} {share:g}" if mode == "mask pads" else mode
    return Method(f"{name}{', empty prompt too' * empty}", change, ("repadded", share, empty))


def reanchored(name: str, search_below: float, alternatives: Callable[[str], list[str]], **widgets: Any) -> Method:
    """Led to one of the alternatives of the caption."""

    def build(setup: Setup) -> Any:
        rule = {"formula": "blend", "plain_below": 0.0234, "full_from": 0.0391, **widgets, "search_below": search_below}
        prompts = setup.positive, setup.negative, setup.cfg, "\n".join(alternatives(setup.caption))
        return NODES["ReanchorGuidance"]().get_guider(setup.model, *prompts, clip=setup.clip, **rule)[0]

    return Method(name, lambda setup: replace(setup, guider=build), ("reanchored", search_below, widgets))


def without_title(caption: str) -> list[str]:
    """What a user would write in its place: the caption's object, in either order."""
    *_, colour, shape = caption.split()
    return [f"{colour} {shape}", f"{shape} {colour}"]


SCHEDULES = [
    *(
        scheduled(shape, GuidanceSchedule(shape))
        for shape in ("increasing", "decreasing", "rising cosine", "falling cosine", "peak mid", "dip mid")
    ),
    scheduled("increasing, at least 2", GuidanceSchedule("increasing", at_least=2.0)),
]
INTERVALS = [
    scheduled(f"from {start:g}", GuidanceSchedule("constant", start_percent=start)) for start in (0.19, 0.4, 0.5)
]
STATIC = [static(t) for t in (900, 800, 700, 600, 500)]
NOISES = [
    *(adjusted(f"batch-wise, zero until t = {t}", 0.39, 0.7, 2, static(t)) for t in (900, 800, 700, 600)),
    *(
        adjusted(f"batch-wise {rho:g} x {m}, zero until t = 700", rho, 0.7, m, static(700))
        for rho, m in ((0.23, 4), (0.8, 2))
    ),
    adjusted("batch-wise gamma 2, zero until t = 700", 0.39, 2.0, 2, static(700)),
]
ANNEALINGS = [
    annealed("CADS 0.25", strength=0.25),
    annealed("CADS 0.25, not rescaled", strength=0.25, rescale=0.0),
    annealed("CADS 1", strength=1.0),
    annealed("CADS 1, tau 0.4 to 0.9", strength=1.0, tau1=0.4),
    annealed("CADS 1, tau 0.5 to 0.7", strength=1.0, tau1=0.5, tau2=0.7),
]
WORDS = [perturbed(kind, n) for kind in ("random word", "random number", "repeat word") for n in (1, 4)]
EMBEDDINGS = [noised(strength) for strength in (0.1, 0.5)]
PADDINGS = [
    *(repadded(mode, empty=empty) for mode in ("repad", "repad, end token off") for empty in (False, True)),
    *(repadded("mask pads", share) for share in (0.4, 0.7, 1.0)),
]
REANCHORED = [
    *(reanchored(f"re-anchored, {formula}", 0.01, without_title, formula=formula) for formula in ("blend", "paper")),
    reanchored("re-anchored, blend from 0.01", 0.01, without_title, plain_below=0.005, full_from=0.01),
]
