"""A sampling run as the host shows it: it begins with its first model call, and its end comes from outside."""

import logging
import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from ..fingerprint import fingerprint
from ..run import Run
from ..settings import Settings
from ..status import NO_EFFECT, WARNING, Facts
from ..trace import GuidanceTrace, Listener, RunTrace
from .before_run import noising, percent_to_sigma
from .conditioning import absent
from .uncopied import is_ours

POST_CFG = "sampler_post_cfg_function"


class HostedRun:
    """The run once a model call has begun it, and the facts that its status is made of.

    sigmas  the schedule, where the host tells it
    levels  percent_to_sigma of the model's noise schedule; None to ask the model in the first call
    facts   what is known of the run beforehand
    begins  is told of the run when it begins
    """

    def __init__(
        self,
        settings: Settings,
        sigmas: Sequence[float] | None,
        listener: Listener | None = None,
        levels: Callable[[float], float] | None = None,
        facts: Facts | None = None,
        begins: Callable[[Run], None] = lambda run: None,
    ):
        self.settings, self.sigmas, self.listener, self.begins = settings, sigmas, listener, begins
        self.levels, self.facts = levels, facts or Facts()
        self.run: Run | None = None
        self.model: Any = None  # while the run goes on

    def start(self, x: Tensor, model: Any, scale: float | Tensor) -> Run:
        """The run, begun by its first model call: its input x [batch, ...], and the host's guidance scale."""
        if self.run is None:
            levels = self.levels or percent_to_sigma(model.model_sampling)
            cfg = math.nan if isinstance(scale, Tensor) else scale
            self.facts.cfg_1 = self.settings.mitigates and cfg == 1
            self.run = Run(self.settings, levels, len(x), x[0].numel(), self.sigmas, cfg, self.listener)
            self.run.trace.facts = self.facts
            self.model = model
            self.begins(self.run)
        return self.run

    def unguided(self, sigma: Tensor, *conds: list[dict] | None) -> bool:
        """Whether one of the conditionings has no prediction in a model call at sigma [batch], which is counted."""
        missing = any(absent(cond, sigma) for cond in conds)
        self.facts.model_calls += missing
        self.facts.without_guidance += missing
        return missing

    def guided(self, model_options: dict) -> bool:
        """Count a model call with both predictions; whether the model computed them, and no step cache."""
        cached = answered_by_cache(model_options)
        self.facts.model_calls += 1
        self.facts.from_cache += cached
        self.facts.changed_after |= changed_after(model_options)
        return not cached

    def end(self, trace: GuidanceTrace, samples: Any) -> None:
        """Put the run into the trace: that made `samples`, or None where it was interrupted. Warns once in the log."""
        self.facts.interrupted = samples is None
        if self.run and isinstance(samples, Tensor):
            self.run.end(self.model.process_latent_in(samples), noising(self.model.model_sampling))
        self.model = None
        run = self.run.trace if self.run else empty_trace(self.settings, self.facts)
        run.made = None if samples is None else fingerprint(samples)
        trace.append(run)
        if run.status.kind in (NO_EFFECT, WARNING) or not (run.steps or self.facts.interrupted):
            logging.warning("Basin Escape: %s", run.status.text)


def empty_trace(settings: Settings, facts: Facts) -> RunTrace:
    """Of a run that saw no guidance."""
    none = torch.empty(0, dtype=torch.long)
    return RunTrace(settings, math.nan, 0, none, none.bool(), facts=facts)


def answered_by_cache(model_options: dict) -> bool:
    """Whether core's EasyCache has answered this model call, which it tells in the options."""
    cache = model_options.get("transformer_options", {}).get("easycache")
    return getattr(cache, "name", None) == "EasyCache" and cache.skip_current_step


def changed_after(model_options: dict) -> bool:
    """Whether a hook of another node comes after ours, as some nodes and samplers put theirs in during the run."""
    hooks = model_options.get(POST_CFG, [])
    last = max((k for k, hook in enumerate(hooks) if is_ours(hook)), default=len(hooks))
    # By theirs, the host's own CFG++ samplers learn D_u.
    return any(not getattr(hook, "__module__", "").startswith("comfy.") for hook in hooks[last + 1 :])
