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
from .trace import QUANTITIES, Listener, RunTrace
from .transition import FallsShort, FirstLocalMinimum, Observations, TimestepScale, ascending, reached


class Run:
    """State of one run. What decides is a mask [batch]: on the CPU, or where only the noise level counts, beside it.

    In every model call, first `place` it, then `observe` the predictions, then `apply` the decision to the host's
    result. What was observed stays on the model's device until a decision, a listener or the trace asks for it.

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
        listener: Listener | None = None,
    ):
        self.settings = settings
        self.timestep = TimestepScale(percent_to_sigma)
        static_sigmas = [percent_to_sigma(percent) for percent in settings.static_percents]
        self.static_sigma = torch.tensor(static_sigmas).expand(batch)
        self.latest_sigma = percent_to_sigma(settings.latest_percent)
        self.passes_through = sigmas is not None and ascending(sigmas)
        self.observes = Observations(sigmas)
        self.found_minimum = FirstLocalMinimum(batch)
        self.falls_short = FallsShort()
        self.target = None  # of an escape: the first conditional prediction
        self.on = torch.full((batch,), self.passes_through or not settings.mitigates)
        self.gate_pending = settings.memorization_threshold > 0
        # Whether some sample waits for what the next observation shows.
        self.undecided = self.active and (self.gate_pending or settings.transition in BY_IMAGE)
        # sigma and norms [4, batch], for an escape the pull [5, batch], on the model's device; and cfg
        self.calls: list[tuple[Tensor, float]] = []
        self.steps: list[tuple[Tensor, Tensor, float]] = []  # of the observations among them: the same, and the mask
        self._trace = RunTrace(
            settings,
            cfg,
            elements,
            transition_step=torch.full((batch,), -1),
            gated=torch.zeros(batch, dtype=torch.bool),
            observations=torch.empty(0, len(QUANTITIES), batch),
        )
        self.listener = listener
        self.warned = False

    @property
    def active(self) -> bool:
        """Whether this run is mitigated at all: not where noise is added, nor where transition is off."""
        return self.settings.mitigates and not self.passes_through

    @property
    def trace(self) -> RunTrace:
        """Everything observed so far."""
        self.record()
        return self._trace

    def place(self, sigma: Tensor) -> None:
        """Decide what depends on the noise level alone, sigma [batch], on its device: a static transition."""
        if self.active and self.settings.transition == STATIC:
            self.on = reached(sigma, self.static_sigma.to(sigma.device, non_blocking=True))
            if self.settings.memorization_threshold:
                self.on = self.on | self._trace.gated.to(sigma.device, non_blocking=True)

    def observe(self, x: Tensor, cond: Tensor, uncond: Tensor, sigma: Tensor, cfg: float) -> None:
        """Watch the predictions of this model call, and decide for every sample whether CFG acts in it.

        x, cond, uncond [batch, ...]: the noisy input and its two denoised predictions; sigma [batch].
        """
        if self.passes_through:
            return
        seen = [sigma.float(), *prediction_norms(x, cond, uncond, sigma)]
        if self.settings.transition == ESCAPE:
            if self.target is None or self.target.shape != cond.shape:  # some samplers change the size on the way
                self.target = cond.clone()
            seen.append(pull(cond, uncond, self.target))
        self._keep(torch.stack(seen), cfg)
        if self.undecided:
            self._settle()

    def skip(self, sigma: Tensor) -> None:
        """Note a call with one prediction only: a gap in the curves."""
        self._keep(torch.cat([sigma.float()[None], sigma.new_full((3, len(sigma)), math.nan)]), math.nan)

    def _keep(self, seen: Tensor, cfg: float) -> None:
        self.calls.append((seen, cfg))
        if self.listener is not None and self.listener.due():
            self.listener(self.trace, False)

    def _settle(self) -> None:
        """Follow the rule through the calls since the last time, in one copy from the model's device."""
        if not self.calls:
            return
        seen, cfgs = zip(*self.calls, strict=True)
        self.calls = []
        for row, cfg in zip(torch.stack(seen).cpu(), cfgs, strict=True):
            sigma = row[0]
            level = sigma[0].item()
            observed = self.observes(level)
            if observed and self.undecided:
                self._decide(row, cfg, level)
            self.place(sigma)
            if observed:
                self.steps.append((row, self.on, cfg))

    def _decide(self, row: Tensor, cfg: float, sigma: float) -> None:
        d = row[1]
        if self.gate_pending:
            self.gate_pending = False
            self._trace.gated = rms(d, self._trace.elements) < self.settings.memorization_threshold
            self.on = self._trace.gated
        if self.settings.transition == DYNAMIC:
            self.on = self.on | self.found_minimum(d)
        if self.settings.transition == ESCAPE:
            self.on = self.on | self.falls_short(cfg * row[4])
        if self.settings.transition in BY_IMAGE and reached(sigma, self.latest_sigma):
            self.on = torch.ones_like(self.on)
        self.undecided = self.settings.transition in BY_IMAGE and not self.unanimous

    def record(self) -> None:
        """Bring the trace up to date."""
        self._settle()
        if not self.steps:
            return
        rows, on, cfgs = zip(*self.steps, strict=True)
        self.steps = []
        rows, on = torch.stack(rows), torch.stack(on)
        timestep = torch.tensor([self.timestep(level) for level in rows[:, 0, 0].tolist()])[:, None].expand(on.shape)
        before = scale_before_transition(self.settings.before_transition, self.settings.opposite_scale)
        scale = torch.where(on, torch.tensor(cfgs)[:, None], before)
        sigma, *norms = rows[:, :4].unbind(1)
        pulls = rows[:, 4] if self.settings.transition == ESCAPE else torch.full_like(sigma, math.nan)
        self._trace.add(torch.stack([sigma, timestep, *norms, scale, pulls], dim=1), on & self.active)

    @property
    def unanimous(self) -> bool | None:
        """Whether CFG acts, where the host knows it and it is the same for every sample."""
        if not self.on.is_cpu:
            return None
        decisions = set(self.on.tolist())
        return decisions.pop() if len(decisions) == 1 else None

    def select(self, after: Tensor, before: Tensor) -> Tensor:
        """`after` for the samples under CFG, `before` for the others, bit for bit: [batch, ...]."""
        if self.unanimous is None:
            return torch.where(per_sample(self.on, after), after, before)
        return after if self.unanimous else before

    def apply(self, denoised: Tensor, cond: Tensor, uncond: Tensor) -> Tensor:
        """The result of this call: the host's `denoised` where CFG acts, the rule's where it does not yet.

        denoised, cond, uncond and the result are [batch, ...].
        """
        if self.unanimous:
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
