"""The measures of likeness that several nodes offer, by their names on a widget."""

from collections.abc import Callable

from torch import Tensor

from ..samplers.copies import CORRELATION, L2, Describe, Measure
from ..samplers.sscd import CROP, PREPARATIONS, SKEW, cut_to
from .embeddings import remembered
from .sscd_models import load_sscd

PIXELS, AMONG = "pixel correlation", "l2 among neighbours"
MEASURES = [SKEW, CROP, PIXELS, AMONG]
OF_PAIRS = [SKEW, CROP, PIXELS]  # two pictures are enough for these


def measure_of(name: str, sscd_model: str) -> tuple[Measure, Describe]:
    """A measure, and how it describes references: by what is remembered of them, where that saves something.

    Raises an error that says what to do where there is no network for it.
    """
    if name == PIXELS:
        return CORRELATION, CORRELATION.describe
    if name == AMONG:
        return L2, L2.describe
    if name not in PREPARATIONS:
        raise ValueError(f"measure is {name!r}: choose one of {', '.join(MEASURES)}.")
    network, preparation = load_sscd(sscd_model), PREPARATIONS[name]

    def through(vector: Callable[[Tensor], Tensor]) -> Describe:
        return lambda picture, weight: vector(cut_to(picture, weight)).cpu()

    known = remembered(network, preparation, name)
    return Measure(through(lambda picture: network(picture, preparation))), through(known)
