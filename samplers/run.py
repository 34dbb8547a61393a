"""The guidance rule over one sampling run, model call by model call, and what is recorded of it."""

import logging
import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from .conditioning import absent
from .decision import Decision
from .guidance import prediction_norms, pull, scale_before_transition
from .settings import ESCAPE, Settings
from .trace import QUANTITIES, Listener, RunTrace
from .transition import Observations, TimestepScale


class Run(Decision):
    """State of one run.

    In every model call, first `place` it, then `observe` the predictions, then `apply` the decision to the host's
    result. What was observed stays on the model's device until a decision, a listener or the trace asks for it.

    The arguments are those of a Decision, and
    cfg       the host's guidance scale, NaN where it does not tell it
    listener  is told of the trace when it has a further observation
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
        super().__init__(settings, percent_to_sigma, batch, elements, sigmas)
        self.timestep = TimestepScale(percent_to_sigma)
        self.observes = Observations(sigmas)
        self.target = None  # of an escape: the first conditional prediction
        # sigma and norms [4, batch], for an escape the pull [5, batch], on the model's device; and cfg
        self.calls: list[tuple[Tensor, float]] = []
        self.steps: list[tuple[Tensor, Tensor, float]] = []  # of the observations among them: the same, and the mask
        self._trace = RunTrace(
            settings,
            cfg,
            elements,
            transition_step=torch.full((batch,), -1),
            gated=self.gated,
            observations=torch.empty(0, len(QUANTITIES), batch),
        )
        self.listener = listener
        self.warned = False

    @property
    def trace(self) -> RunTrace:
        """Everything observed so far."""
        self.record()
        return self._trace

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
                self.decide(row, cfg, level)
            self.place(sigma)
            if observed:
                self.steps.append((row, self.on, cfg))

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
        self._trace.gated = self.gated
        self._trace.add(torch.stack([sigma, timestep, *norms, scale, pulls], dim=1), on & self.active)

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
