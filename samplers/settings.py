"""What the user chose, checked before anything is sampled."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

ZERO = "zero guidance"
OPPOSITE = "opposite guidance"
CONDITIONAL = "conditional only"
ORTHOGONAL = "orthogonal guidance"
BEFORE_TRANSITIONS = (ZERO, OPPOSITE, CONDITIONAL, ORTHOGONAL)

DYNAMIC = "dynamic"
ESCAPE = "escape"
STATIC = "static"
NEVER = "never"
OFF = "off"
TRANSITIONS = (DYNAMIC, ESCAPE, STATIC, NEVER, OFF)
BY_IMAGE = (DYNAMIC, ESCAPE)  # each image has a transition of its own


@dataclass(frozen=True)
class Settings:
    """The shared widgets of the sampling nodes; the defaults here are the paper's, those of the nodes in widgets.py.

    Percents are ComfyUI's: 0 is the start of sampling, 1 its end; the paper's timestep t is 1 - t/1000.
    static_percent is one number for all samples, or one for each sample of the batch (a sweep).
    Raises ValueError naming the widget, what is wrong with it and what to do.
    """

    transition: str = DYNAMIC
    before_transition: str = ZERO
    opposite_scale: float = 2.0
    repulsion: float = 0.07
    static_percent: float | Sequence[float] = 0.5
    latest_percent: float = 0.6
    memorization_threshold: float = 0.0

    def __post_init__(self) -> None:
        check_choice("transition", self.transition, TRANSITIONS)
        check_choice("before_transition", self.before_transition, BEFORE_TRANSITIONS)
        check_range("opposite_scale", self.opposite_scale, 0.0, 30.0)
        check_range("repulsion", self.repulsion, 0.0, 1.0)
        for percent in self.static_percents:
            check_range("static_percent", percent, 0.0, 1.0)
        check_range("latest_percent", self.latest_percent, 0.0, 1.0)
        check_range("memorization_threshold", self.memorization_threshold, 0.0, 1.0)
        if self.transition in BY_IMAGE and self.latest_percent == 0.0:
            raise ValueError(
                f"latest_percent is 0 while transition is {self.transition}: CFG would act from the first step on, "
                "before a transition could be seen. Raise latest_percent (0.6 is the default), or set transition to "
                "off."
            )

    @property
    def static_percents(self) -> Sequence[float]:
        return self.static_percent if isinstance(self.static_percent, Sequence) else (self.static_percent,)

    @property
    def mitigates(self) -> bool:
        return self.transition != OFF


def check_choice(widget: str, value: str, choices: Sequence[str]) -> None:
    """Raise ValueError for what is none of the choices."""
    if value not in choices:
        raise ValueError(f"{widget} is {value!r}: choose one of {', '.join(choices)}.")


def check_range(widget: str, value: float, low: float, high: float) -> None:
    """Raise ValueError for a number out of its range, or none."""
    if not (math.isfinite(value) and low <= value <= high):
        raise ValueError(f"{widget} is {value}: set it to a number from {low:g} to {high:g}.")
