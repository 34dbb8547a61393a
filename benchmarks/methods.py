"""What a method is to the harness: what it makes of a sampling before it begins. Guidance, noise, prompt, embedding and
attention methods are alike in that.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import comfy.samplers
from torch import Tensor

from ..samplers.host.guider import BasinEscapeCFGGuider
from ..samplers.host.patch import patch_model
from ..samplers.settings import ORTHOGONAL, Settings
from ..samplers.trace import GuidanceTrace, Listener


@dataclass(frozen=True)
class Setup:
    """What is to be sampled, as a method finds it and as it leaves it.

    model               a MODEL; the method clones it before it patches it
    positive, negative  CONDITIONING
    noise               [starts, *latent] of one caption
    seeds               of the starts, for whatever else is drawn
    sigmas              [steps + 1]
    cfg                 guidance scale
    guider              what makes the guider, from all of this
    trace               that the runs go into, where the method keeps one
    clip, caption       the text encoder, and what it made `positive` of
    bed                 the testbed, for what is calibrated on it
    """

    model: Any
    positive: list
    negative: list
    noise: Tensor
    seeds: Sequence[int]
    sigmas: Tensor
    cfg: float
    guider: Callable[["Setup"], Any]
    trace: GuidanceTrace | None = None
    clip: Any = None
    caption: str = ""
    bed: Any = None


@dataclass(frozen=True)
class Method:
    """A row of a table: a name, and what it makes of a Setup.

    settings  whose repr tells it from others of this name, its code's version among them while that changes
    """

    name: str
    change: Callable[[Setup], Setup]
    settings: Any = None


def with_conds(guider: Any, setup: Setup) -> Any:
    """A guider of two conditionings, ready to sample."""
    guider.set_conds(setup.positive, setup.negative)
    guider.set_cfg(setup.cfg)
    return guider


def stock(setup: Setup) -> Any:
    """ComfyUI's own guider."""
    return with_conds(comfy.samplers.CFGGuider(setup.model), setup)


PLAIN = Method("plain CFG", lambda setup: setup)


def guided(name: str, settings: Settings, skip_unused_pass: bool = False) -> Method:
    """The pack's guider."""

    def change(setup: Setup) -> Setup:
        trace = GuidanceTrace()

        def build(setup: Setup) -> Any:
            return with_conds(BasinEscapeCFGGuider(setup.model, settings, trace, skip_unused_pass), setup)

        return replace(setup, guider=build, trace=trace)

    return Method(name, change, ("guider", *_code_of(settings), skip_unused_pass))


def patched(name: str, settings: Settings, listener: Listener | None = None) -> Method:
    """The pack's model patch, under whatever guider there is."""

    def change(setup: Setup) -> Setup:
        trace = GuidanceTrace(listener=listener)
        return replace(setup, model=patch_model(setup.model, settings, trace), trace=trace)

    return Method(name, change, ("patch", *_code_of(settings)))


def _code_of(settings: Settings) -> tuple:
    """The settings, and which version of their method's code results on disk are of."""
    orthogonal = settings.mitigates and settings.before_transition == ORTHOGONAL
    return (settings, "two pulls from 1.75") if orthogonal else (settings,)
