"""Which sweeps the tables and figures are made of, the most important first."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..testbeds import SCENARIO_PROMPTS, testbed
from .cache import Job
from .methods import BEFORE, MAIN_BEFORES
from .sweep import Condition

SCENARIO_BEFORES = ("zero", "opposite 2", "conditional")


@dataclass(frozen=True)
class Size:
    """How much is measured: captions, start noises of each, steps, and whether all the variations too.

    memorized  start noises for zero guidance and opposite guidance 2
    other      start noises for what else is followed before the transition, for the choices and in the scenarios
    varied     start noises for other samplers, numbers of steps, guidance scales and models
    choices    what is followed before the transition where defaults are chosen
    resamples  draws of the bootstrap
    """

    captions: int = 8
    memorized: int = 4
    ordinary: int = 1
    other: int = 2
    varied: int = 1
    steps: int = 50
    testbeds: tuple[str, ...] = ("closed form eps", "learned")
    first_step_only: tuple[str, ...] = ("closed form v", "closed form flow")
    scenarios: tuple[str, ...] = tuple(SCENARIO_PROMPTS)
    befores: tuple[str, ...] = MAIN_BEFORES
    choices: tuple[str, ...] = tuple(BEFORE)
    variations: bool = True
    resamples: int = 400

    def of(self, name: str) -> "Size":
        """For one testbed. A call of the network costs three times an exact one: half the steps and half the starts."""
        if not name.startswith("learned"):
            return self
        return replace(self, steps=self.steps // 2, memorized=self.memorized // 2, other=self.other // 2)


FULL = Size()
QUICK = Size(
    testbeds=("closed form eps",),
    captions=2,
    memorized=2,
    ordinary=1,
    other=2,
    steps=10,
    befores=("zero", "opposite 2"),
    choices=("zero", "opposite 2"),
    first_step_only=(),
    variations=False,
    resamples=50,
)


def condition(name: str, before: str, size: Size, **changes) -> Condition:
    choice, scale = BEFORE[before]
    return replace(Condition(name, choice, scale, steps=size.steps), **changes)


def variations(name: str, size: Size) -> dict[str, Condition]:
    """Other samplers, numbers of steps and guidance scales, all with zero guidance."""
    if not size.variations:
        return {}
    samplers = ("dpmpp_2m", "euler_ancestral", "dpmpp_2m_sde", "dpmpp_sde", "lcm")
    changes = {sampler: {"sampler": sampler} for sampler in samplers}
    changes |= {f"{steps} steps": {"steps": steps} for steps in (10, 20, 100)}
    changes |= {f"guidance {cfg:g}": {"cfg": cfg} for cfg in (3.0, 15.0)}
    if name.startswith("learned"):
        for label in ("100 steps", "20 steps", "dpmpp_2m_sde", "dpmpp_sde", "lcm"):
            del changes[label]
    return {label: condition(name, "zero", size, **change) for label, change in changes.items()}


def captions(name: str, kind: str, size: Size, half: str = "held_out") -> Sequence[str]:
    """The captions of a kind ("memorized", "ordinary") and a half ("held_out", "tuning")."""
    chosen = getattr(getattr(testbed(name), half), kind)
    return chosen[: size.captions] if kind == "memorized" else chosen[: size.captions * 3 // 2]


def main_jobs(name: str, before: str, kind: str, size: Size) -> list[Job]:
    memorized = size.memorized if before in ("zero", "opposite 2") else size.other
    number = memorized if kind == "memorized" else size.ordinary
    return jobs_of(condition(name, before, size), kind, "held_out", number, size)


def choice_jobs(name: str, before: str, kind: str, size: Size) -> list[Job]:
    """Of the tuning half: what defaults are chosen on."""
    number = size.other if kind == "memorized" else size.ordinary
    return jobs_of(condition(name, before, size), kind, "tuning", number, size)


def scenario_jobs(name: str, before: str, size: Size) -> list[Job]:
    return jobs_of(condition(name, before, size), "memorized", "held_out", size.other, size)


def other_jobs(chosen: Condition, size: Size) -> list[Job]:
    return jobs_of(chosen, "memorized", "held_out", size.varied, size)


def jobs_of(chosen: Condition, kind: str, half: str, number: int, size: Size) -> list[Job]:
    """`number` starts of every caption."""
    bed, chosen_captions = testbed(chosen.testbed), captions(chosen.testbed, kind, size, half)
    return [Job(chosen, caption, bed.seeds(caption, number)) for caption in chosen_captions]


def other_models(name: str, size: Size) -> dict[str, Condition]:
    """The same distribution as v- and as flow model, beside the closed form's eps."""
    if not name.endswith("eps") or not size.variations:
        return {}
    pairs = [(model, before) for model in ("v", "flow") for before in ("zero", "opposite 2")]
    return {f"{model} model, {b}": condition(name.replace("eps", model), b, size) for model, b in pairs}


def all_jobs(size: Size) -> list[Job]:
    jobs = []
    for name in size.testbeds:
        own, kinds = size.of(name), ("memorized", "ordinary")
        jobs += [job for b in own.befores for kind in kinds for job in main_jobs(name, b, kind, own)]
        jobs += [job for b in own.choices for kind in kinds for job in choice_jobs(name, b, kind, own)]
        for chosen in (variations(name, own) | other_models(name, own)).values():
            jobs += other_jobs(chosen, own)
    for name in size.scenarios:
        jobs += [job for before in SCENARIO_BEFORES for job in scenario_jobs(name, before, size)]
    return jobs
