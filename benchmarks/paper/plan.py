"""Which sweeps the tables and figures are made of, the most important first."""

from dataclasses import dataclass, replace

from .cache import Job
from .methods import BEFORE
from .sweep import Condition
from .testbeds import testbed

FIRST_SEED = 1000


@dataclass(frozen=True)
class Size:
    """How much is measured: captions, start noises of each, steps, and whether all the variations too.

    memorized  start noises for zero guidance and opposite guidance 2
    other      start noises for what else is followed before the transition
    varied     start noises for other samplers, numbers of steps, guidance scales and models
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
    befores: tuple[str, ...] = tuple(BEFORE)
    variations: bool = True
    resamples: int = 400

    def of(self, name: str) -> "Size":
        """For one testbed. A call of the network costs three times an exact one: half the steps and half the starts."""
        if name != "learned":
            return self
        return replace(self, steps=self.steps // 2, memorized=self.memorized // 2, other=self.other // 2)


FULL = Size()
QUICK = Size(
    testbeds=("closed form eps",),
    captions=2,
    memorized=2,
    ordinary=1,
    other=1,
    steps=10,
    befores=("zero", "opposite 2"),
    first_step_only=(),
    variations=False,
    resamples=50,
)


def seeds(name: str, caption: str, number: int) -> range:
    """Start noises of a caption: no two captions of a testbed share one."""
    bed = testbed(name)
    every = [*bed.tuning.memorized, *bed.held_out.memorized, *bed.tuning.ordinary, *bed.held_out.ordinary]
    first = FIRST_SEED + 100 * every.index(caption)
    return range(first, first + number)


def condition(name: str, before: str, size: Size, **changes) -> Condition:
    choice, scale = BEFORE[before]
    return replace(Condition(name, choice, scale, steps=size.steps), **changes)


def variations(name: str, size: Size) -> dict[str, Condition]:
    """Other samplers, numbers of steps and guidance scales, all with zero guidance."""
    if not size.variations:
        return {}
    samplers = ("dpmpp_2m", "euler_ancestral", "dpmpp_2m_sde")
    changes = {sampler: {"sampler": sampler} for sampler in samplers}
    changes |= {f"{steps} steps": {"steps": steps} for steps in (10, 20, 100)}
    changes |= {f"guidance {cfg:g}": {"cfg": cfg} for cfg in (3.0, 15.0)}
    if name == "learned":
        del changes["100 steps"], changes["20 steps"], changes["dpmpp_2m_sde"]
    return {label: condition(name, "zero", size, **change) for label, change in changes.items()}


def captions(name: str, kind: str, size: Size, half: str = "held_out") -> tuple[str, ...]:
    """The captions of a kind ("memorized", "ordinary") and a half ("held_out", "tuning")."""
    chosen = getattr(getattr(testbed(name), half), kind)
    return chosen[: size.captions] if kind == "memorized" else chosen[: size.captions * 3 // 2]


def main_jobs(name: str, before: str, kind: str, size: Size) -> list[Job]:
    number = size.memorized if before in ("zero", "opposite 2") else size.other
    number = number if kind == "memorized" else size.ordinary
    chosen = condition(name, before, size)
    return [Job(chosen, caption, seeds(name, caption, number)) for caption in captions(name, kind, size)]


def other_jobs(chosen: Condition, size: Size) -> list[Job]:
    name = chosen.testbed
    return [Job(chosen, caption, seeds(name, caption, size.varied)) for caption in captions(name, "memorized", size)]


def all_jobs(size: Size) -> list[Job]:
    jobs = [
        job
        for name in size.testbeds
        for before in size.befores
        for kind in ("memorized", "ordinary")
        for job in main_jobs(name, before, kind, size.of(name))
    ]
    for name in size.testbeds:
        for chosen in variations(name, size.of(name)).values():
            jobs += other_jobs(chosen, size.of(name))
    if size.variations:
        for before in ("zero", "opposite 2"):
            jobs += other_jobs(condition("closed form flow", before, size), size)
    return jobs
