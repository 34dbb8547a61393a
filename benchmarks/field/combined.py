"""Methods of the field together with orthogonal guidance, or with another one, as rows of the tables."""

from ...samplers.guidance_schedule import GuidanceSchedule
from ..comparison.plan import DEFAULT
from ..methods import Method, Setup, patched
from .attention import guard
from .embedding import moved
from .methods import adjusted, annealed, noised, perturbed, repadded, scheduled

ORTHOGONAL = patched("orthogonal", DEFAULT)


def both(first: Method, second: Method) -> Method:
    """One method, then the other, each on what the one before left."""

    def change(setup: Setup) -> Setup:
        return second.change(first.change(setup))

    settings = (first.name, first.settings, second.name, second.settings)
    return Method(f"{first.name} + {second.name}", change, ("both", settings))


def with_orthogonal(*methods: Method) -> list[Method]:
    return [both(method, ORTHOGONAL) for method in methods]


WITH_NOISE = with_orthogonal(adjusted("batch-wise 0.39 x 2", 0.39, 0.7, 2))
WITH_PROMPT = with_orthogonal(perturbed("random word", 1), noised(0.1))
WITH_MOVED = with_orthogonal(moved(0.0117), moved(0.0078))
WITH_GUIDANCE = with_orthogonal(
    annealed("CADS 0.25", strength=0.25), scheduled("from 0.19", GuidanceSchedule("constant", start_percent=0.19))
)
WITH_PADDING = with_orthogonal(repadded("repad"), repadded("mask pads", 0.7))
WITH_GUARD = with_orthogonal(guard(2.0), guard(4.0))
