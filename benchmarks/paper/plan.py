"""Which sweeps the tables and figures are made of, the most important first. Seeds: 1000 and up; rules saw others."""

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
    other      start noises for everything else that is asked of memorized captions
    """

    captions: int = 8
    memorized: int = 4
    ordinary: int = 1
    other: int = 2
    steps: int = 50
    testbeds: tuple[str, ...] = ("closed form eps",)
    befores: tuple[str, ...] = tuple(BEFORE)
    variations: bool = True


FULL = Size()
QUICK = Size(captions=2, memorized=2, ordinary=1, other=1, steps=10, befores=("zero", "opposite 2"), variations=False)


def seeds(number: int) -> range:
    return range(FIRST_SEED, FIRST_SEED + number)


def condition(name: str, before: str, size: Size, **changes) -> Condition:
    choice, scale = BEFORE[before]
    return replace(Condition(name, choice, scale, steps=size.steps), **changes)


def variations(name: str, size: Size) -> dict[str, Condition]:
    """Other samplers, numbers of steps and guidance scales, all with zero guidance."""
    if not size.variations:
        return {}
    changes = {
        sampler: {"sampler": sampler} for sampler in ("dpmpp_2m", "euler_ancestral", "dpmpp_2m_sde", "dpmpp_sde")
    }
    changes |= {f"{steps} steps": {"steps": steps} for steps in (10, 20, 100)}
    changes |= {f"guidance {cfg:g}": {"cfg": cfg} for cfg in (3.0, 15.0)}
    return {label: condition(name, "zero", size, **change) for label, change in changes.items()}


def captions(name: str, kind: str, size: Size) -> tuple[str, ...]:
    """The held-out captions of a kind, "memorized" or "ordinary"."""
    chosen = getattr(testbed(name).held_out, kind)
    return chosen[: size.captions] if kind == "memorized" else chosen[: size.captions * 3 // 2]


def main_jobs(name: str, before: str, kind: str, size: Size) -> list[Job]:
    number = size.memorized if before in ("zero", "opposite 2") else size.other
    number = number if kind == "memorized" else size.ordinary
    return [Job(condition(name, before, size), c, seeds(number)) for c in captions(name, kind, size)]


def other_jobs(chosen: Condition, size: Size) -> list[Job]:
    number = size.other if chosen.steps <= size.steps else 1
    return [Job(chosen, caption, seeds(number)) for caption in captions(chosen.testbed, "memorized", size)]


def all_jobs(size: Size) -> list[Job]:
    jobs = [
        job
        for name in size.testbeds
        for before in size.befores
        for kind in ("memorized", "ordinary")
        for job in main_jobs(name, before, kind, size)
    ]
    for name in size.testbeds:
        for chosen in variations(name, size).values():
            jobs += other_jobs(chosen, size)
    if size.variations:
        for before in ("zero", "opposite 2"):
            jobs += other_jobs(condition("closed form flow", before, size), size)
    return jobs
