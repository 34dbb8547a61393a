"""The guidance rule as the two CFG hooks of ComfyUI, for one sampling run.

The pre-CFG hook stands before those of every other node: it sees what the model said. The post-CFG hook stands after
them: a sample under CFG keeps what the host and other nodes made of it, bit for bit, and nothing brings guidance back
to a sample that waits. Guiders that run no pre-CFG hooks show the same predictions to the post-CFG hook.
"""

import logging
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..fingerprint import fingerprint
from ..guidance import before_transition, select
from ..run import Run
from ..settings import ORTHOGONAL, Settings
from ..status import NO_EFFECT, WARNING, Facts
from ..trace import GuidanceTrace, Listener, RunTrace
from .before_run import percent_to_sigma
from .conditioning import absent
from .scale import check_known_scale
from .uncopied import Uncopied

PRE_CFG = "sampler_pre_cfg_function"


class Decided(NamedTuple):
    """What was decided in a model call: for its input x the mask, the two predictions it was decided on, and the
    conditional one that the host's CFG is to follow."""

    x: Tensor
    on: Tensor
    cond: Tensor
    uncond: Tensor
    followed: Tensor


class CFGHooks(Uncopied):
    """`pre_cfg` and `post_cfg` of one run, and the run itself once a model call has begun it.

    sigmas    the schedule, where the host tells it
    levels    percent_to_sigma of the model's noise schedule; None to ask the model in the first call
    facts     what is known of the run beforehand
    begins    is told of the run when it begins
    negative  which prediction of the pre-CFG hook is D_u (PerpNegGuider has its empty prompt as a third one)
    """

    def __init__(
        self,
        settings: Settings,
        sigmas: Sequence[float] | None,
        listener: Listener | None = None,
        levels: Callable[[float], float] | None = None,
        facts: Facts | None = None,
        begins: Callable[[Run], None] = lambda run: None,
        negative: int = 1,
    ):
        self.settings, self.sigmas, self.listener, self.begins = settings, sigmas, listener, begins
        self.negative, self.levels, self.facts = negative, levels, facts or Facts()
        self.run: Run | None = None
        self.decided: Decided | None = None
        self.passed: Tensor | None = None  # the input of a call without guidance
        self.warned = False

    def start(self, x: Tensor, model: Any, scale: float | Tensor) -> Run:
        """The run, begun by its first model call."""
        if self.run is None:
            levels = self.levels or percent_to_sigma(model.model_sampling)
            cfg = math.nan if isinstance(scale, Tensor) else scale
            self.facts.cfg_1 = self.settings.mitigates and cfg == 1
            self.run = Run(self.settings, levels, len(x), x[0].numel(), self.sigmas, cfg, self.listener)
            self.run.trace.facts = self.facts
            self.begins(self.run)
        return self.run

    def pre_cfg(self, args: dict) -> list:
        predictions, conds = args["conds_out"], args["conds"]
        missing = predictions[0] is None or predictions[self.negative] is None
        if missing or self.unguided(args["sigma"], conds[0], conds[self.negative]):
            self.passed = args["input"]
            return predictions
        decided = self.decide(args, predictions[0], predictions[self.negative])
        return [decided.followed, *predictions[1:]] if self.settings.before_transition == ORTHOGONAL else predictions

    def post_cfg(self, args: dict) -> Tensor:
        denoised, before_cfg, passed = args["denoised"], self.decided, self.passed
        self.decided = self.passed = None
        if passed is args["input"]:
            return denoised
        if before_cfg is None or before_cfg.x is not args["input"]:  # a guider that runs no pre-CFG hooks
            negative = "empty_cond" if "empty_cond" in args else "uncond"
            if self.unguided(args["sigma"], args["cond"], args[negative]):
                return denoised
            decided = self.decide(args, args["cond_denoised"], args[f"{negative}_denoised"])
            # Linear in D_c: what the host's CFG makes of D_c'.
            followed = denoised + (decided.followed - decided.cond) * args.get("cond_scale", math.nan)
            self.decided = None
        else:
            decided, followed = before_cfg, denoised
        if self.settings.before_transition != ORTHOGONAL:
            followed = before_transition(self.settings, decided.cond, decided.uncond)
        return select(decided.on, denoised, followed)

    def decide(self, args: dict, cond: Tensor, uncond: Tensor) -> Decided:
        """Follow the rule through a model call with these predictions."""
        x, sigma, scale = args["input"], args["sigma"], args.get("cond_scale", math.nan)
        if "cond_scale" not in args:
            check_known_scale(self.settings)
        run, cached = self.start(x, args["model"], scale), answered_by_cache(args["model_options"])
        self.facts.model_calls += 1
        self.facts.from_cache += cached
        on = run(x, cond, uncond, sigma, scale, not cached)
        followed = run.mitigated(cond, on)
        if len(args["model_options"].get(PRE_CFG, [])) > 1:  # some nodes write into the predictions they are handed
            cond, uncond = cond.clone(), uncond.clone()
        self.decided = Decided(x, on, cond, uncond, followed)
        return self.decided

    def unguided(self, sigma: Tensor, *conds: list[dict] | None) -> bool:
        """Whether one of the conditionings has no prediction in a model call at sigma [batch]."""
        missing = any(absent(cond, sigma) for cond in conds)
        self.facts.model_calls += missing
        self.facts.without_guidance += missing
        return missing

    def end(self, trace: GuidanceTrace, samples: Any) -> None:
        """Put the run into the trace: that made `samples`, or None where it was interrupted. Warns once in the log."""
        self.facts.interrupted = samples is None
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
