"""The guidance rule over one sampling run: which samples of the batch are under mitigation in this call."""

import logging
import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from .conditioning import absent
from .guidance import (
    BEFORE_TRANSITION,
    CONDITIONAL,
    OPPOSITE,
    per_sample,
    prediction_norms,
    pull,
    rms,
    scale_before_transition,
)
from .settings import BY_IMAGE, DYNAMIC, ESCAPE, STATIC, Settings
from .trace import RunTrace
from .transition import FallsShort, FirstLocalMinimum, Observations, TimestepScale, ascending, reached


class Run:
    """State of one run. Its decisions live in CPU tensors [batch]; a model call costs one copy to the CPU.

    In every model call, first `observe` the predictions, then `apply` the decision to the host's result.

    percent_to_sigma  the host's, of the model's noise schedule
    batch             number of samples
    elements          number of elements of a sample
    sigmas            the schedule of the run, where the host tells it
    cfg               the host's guidance scale, NaN where it does not tell it
    listener          is told of the trace when it has a further observation
    """

    def __init__(
        self,
        settings: Settings,
        percent_to_sigma: Callable[[float], float],
        batch: int,
        elements: int,
        sigmas: Sequence[float] | None,
        cfg: float,
        listener: Callable[[RunTrace, bool], None] | None = None,
    ):
        self.settings = settings
        self.timestep = TimestepScale(percent_to_sigma)
        static_sigmas = [percent_to_sigma(percent) for percent in settings.static_percents]
        self.static_sigma = torch.tensor(static_sigmas, dtype=torch.float64).expand(batch)
        self.latest_sigma = percent_to_sigma(settings.latest_percent)
        self.passes_through = sigmas is not None and ascending(sigmas)
        self.observes = Observations(sigmas)
        self.found_minimum = FirstLocalMinimum(batch)
        self.falls_short = FallsShort()
        self.target = None  # the first conditional prediction
        self.on = torch.full((batch,), self.passes_through or not settings.mitigates)
        self.trace = RunTrace(
            settings,
            cfg,
            elements,
            transition_step=torch.full((batch,), -1),
            gated=torch.zeros(batch, dtype=torch.bool),
        )
        self.listener = listener
        self.warned = False

    @property
    def active(self) -> bool:
        """Whether this run is mitigated at all: not where noise is added, nor where transition is off."""
        return self.settings.mitigates and not self.passes_through

    @property
    def gate_pending(self) -> bool:
        """Whether the next observation decides which samples are memorized."""
        return self.settings.memorization_threshold > 0 and not self.trace.observations

    def observe(self, x: Tensor, cond: Tensor, uncond: Tensor, sigma: Tensor, cfg: float) -> None:
        """Decide for every sample whether CFG acts in this model call, and record it if it observes.

        x, cond, uncond [batch, ...]: the noisy input and its two denoised predictions; sigma [batch].
        """
        if self.passes_through:
            return
        if self.target is None or self.target.shape != cond.shape:  # some samplers change the size on the way
            self.target = cond.clone()
        norms, pulls = prediction_norms(x, cond, uncond, sigma), pull(cond, uncond, self.target)
        seen = torch.cat([norms, pulls[None], sigma.float()[None]]).cpu()
        level = seen[4, 0].item()
        observed = self.observes(level)
        if observed and self.active:
            self._decide(seen[0], cfg * seen[3], level)
        self.place(level)
        if observed:
            self._record(level, seen[:3], seen[3], cfg)

    def place(self, sigma: float) -> None:
        """A static transition depends on the noise level alone, so the decision of a call is known before it."""
        if self.active and self.settings.transition == STATIC:
            self.on = self.trace.gated | reached(sigma, self.static_sigma)

    def _decide(self, d: Tensor, guided_pull: Tensor, sigma: float) -> None:
        if self.gate_pending:
            self.trace.gated = rms(d, self.trace.elements) < self.settings.memorization_threshold
            self.on = self.trace.gated
        if self.settings.transition == DYNAMIC:
            self.on = self.on | self.found_minimum(d)
        if self.settings.transition == ESCAPE:
            self.on = self.on | self.falls_short(guided_pull)
        if self.settings.transition in BY_IMAGE:
            self.on = self.on | reached(sigma, self.latest_sigma)

    def _record(self, sigma: float, norms: Tensor, pulls: Tensor, cfg: float) -> None:
        if self.active:
            step = len(self.trace.observations)
            first_on = self.on & (self.trace.transition_step < 0)
            self.trace.transition_step = torch.where(first_on, step, self.trace.transition_step)
        before = scale_before_transition(self.settings.before_transition, self.settings.opposite_scale)
        level = torch.tensor([[sigma], [self.timestep(sigma)]]).expand(2, len(self.on))
        scale = torch.where(self.on, cfg, before)[None]
        self.trace.observations.append(torch.cat([level, norms, scale, pulls[None]]))
        if self.listener is not None:
            self.listener(self.trace, False)

    def select(self, after: Tensor, before: Tensor) -> Tensor:
        """`after` for the samples under CFG, `before` for the others, bit for bit: [batch, ...]."""
        if self.on.all():
            return after
        if not self.on.any():
            return before
        return torch.where(per_sample(self.on, after), after, before)

    def apply(self, denoised: Tensor, cond: Tensor, uncond: Tensor) -> Tensor:
        """The result of this call: the host's `denoised` where CFG acts, the rule's where it does not yet.

        denoised, cond, uncond and the result are [batch, ...].
        """
        if self.on.all():
            return denoised
        before = BEFORE_TRANSITION[self.settings.before_transition]
        return self.select(denoised, before(cond, uncond, self.settings.opposite_scale))

    def skippable(self, uncond_wanted: bool) -> bool:
        """Whether this call, once `place`d, needs one prediction only.

        uncond_wanted: somebody else asked for the unconditional prediction (CFG++ samplers step with it).
        """
        needed = self.settings.before_transition
        return (
            self.active
            and self.settings.transition == STATIC
            and not self.gate_pending
            and not self.on.any()
            and needed != OPPOSITE
            and not (needed == CONDITIONAL and uncond_wanted)
        )

    def skip(self, sigma: float) -> None:
        """Record a call with one prediction only: a gap in the curves."""
        if self.observes(sigma):
            gap = torch.full((4, len(self.on)), math.nan)
            self._record(sigma, gap[:3], gap[3], math.nan)

    def unguided(self, sigma: Tensor, *conds: list[dict] | None) -> bool:
        """Whether one of the conditionings has no prediction in this call; says so once.

        sigma [batch]; conds: the conditionings behind the two predictions.
        """
        missing = any(absent(cond, sigma) for cond in conds)
        if missing and not self.warned:
            self.warned = True
            logging.warning(
                "Basin Escape: one of the two predictions is missing (cfg 1, a guider without a negative prompt, or a "
                "prompt that is limited to other timesteps), so there is no guidance to switch and none to record."
            )
        return missing
