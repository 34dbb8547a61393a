"""What is compared, as the pack's own settings, and where each lets CFG begin on a swept trajectory."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ...samplers.run import Run
from ...samplers.settings import CONDITIONAL, OPPOSITE, ZERO, Settings
from ..testbeds import testbed
from .sweep import Condition

NO_DEADLINE = 1.0
STATIC_TIMESTEPS = (900, 800, 700, 600, 500, 400)
BEFORE = {
    "zero": (ZERO, 0.0),
    "opposite 2": (OPPOSITE, 2.0),
    "opposite 7.5": (OPPOSITE, 7.5),
    "conditional": (CONDITIONAL, 0.0),
    "opposite 0.5": (OPPOSITE, 0.5),
    "opposite 1": (OPPOSITE, 1.0),
}


MAIN_BEFORES = ("zero", "opposite 2", "opposite 7.5", "conditional")  # of the main tables


@dataclass(frozen=True)
class SweptMethod:
    """A row of the tables: what is followed before the transition (a key of BEFORE), and the pack's settings."""

    name: str
    before: str
    settings: Settings


def method(name: str, before: str, transition: str, **widgets) -> SweptMethod:
    choice, scale = BEFORE[before]
    return SweptMethod(name, before, Settings(transition, choice, scale, **widgets))


def static(before: str, t: int) -> SweptMethod:
    return method(f"{before} + static t = {t}", before, "static", static_percent=1 - t / 1000)


def methods(gate: float) -> list[SweptMethod]:
    """The rows of the main table; `gate` is the memorization threshold of the gated ones, in RMS."""
    rows = [method("no mitigation", "zero", "off")]
    rows += [replace(static("zero", t), name=f"static t = {t}") for t in STATIC_TIMESTEPS]
    rows += [static(before, t) for before in ("opposite 2", "opposite 7.5") for t in (700, 650)]
    for transition, limits in {"dynamic": (NO_DEADLINE, 0.6), "escape": (NO_DEADLINE, 0.6)}.items():
        for before in MAIN_BEFORES:
            for limit in limits:
                name = f"{before} + {transition}" + (f", deadline {limit}" if limit < 1 else "")
                rows.append(method(name, before, transition, latest_percent=limit))
    for before in ("zero", "opposite 2"):
        for transition in ("dynamic", "escape"):
            widgets = {"latest_percent": 0.6, "memorization_threshold": gate}
            rows.append(method(f"{before} + {transition}, deadline 0.6, gate", before, transition, **widgets))
    return rows


def transition_step(swept: dict[str, Tensor], settings: Settings, condition: Condition) -> Tensor:
    """[starts]: the step from which CFG acts, `steps` for never, as the pack's Run decides on what it would see."""
    if not settings.mitigates:
        return torch.zeros(len(swept["samples"]), dtype=torch.long)
    percent_to_sigma = testbed(condition.testbed).model.get_model_object("model_sampling").percent_to_sigma
    x, levels = swept["x"], swept["sigma"].tolist()
    run = Run(settings, percent_to_sigma, x.shape[1], x[0, 0].numel(), [*levels, 0.0], condition.cfg)
    for step, sigma in enumerate(swept["sigma"]):
        run(x[step], swept["cond"][step], swept["uncond"][step], sigma.expand(x.shape[1]), condition.cfg)
    step = run.trace.transition_step
    return torch.where(step < 0, condition.steps, step)


def oracle(copied: Tensor) -> Tensor:
    """The first step from which on no transition copies, at most `steps`: [starts, steps + 1] bool -> [starts]."""
    copies_later = copied.int().flip(1).cummax(1).values.flip(1)
    return copies_later.sum(1).clamp(max=copied.shape[1] - 1)


def at(values: Tensor, step: Tensor) -> Tensor:
    """Of every start, the entry of its step: [starts, steps + 1, ...], [starts] -> [starts, ...]."""
    return values[torch.arange(len(step)), step]
