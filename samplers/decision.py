"""Which samples of the batch CFG acts on: the settings' transition, followed from observation to observation."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from .guidance import BEFORE_TRANSITION, CONDITIONAL, OPPOSITE, per_sample, rms
from .settings import BY_IMAGE, DYNAMIC, ESCAPE, STATIC, Settings
from .transition import FallsShort, FirstLocalMinimum, ascending, reached


class Decision:
    """The mask `on` [batch]: on the CPU, or where only the noise level counts, on that one's device.

    percent_to_sigma  the host's, of the model's noise schedule
    batch             number of samples
    elements          number of elements of a sample
    sigmas            the schedule of the run, where the host tells it
    """

    def __init__(
        self,
        settings: Settings,
        percent_to_sigma: Callable[[float], float],
        batch: int,
        elements: int,
        sigmas: Sequence[float] | None,
    ):
        self.settings = settings
        self.elements = elements
        static_sigmas = [percent_to_sigma(percent) for percent in settings.static_percents]
        self.static_sigma = torch.tensor(static_sigmas).expand(batch)
        self.latest_sigma = percent_to_sigma(settings.latest_percent)
        self.passes_through = sigmas is not None and ascending(sigmas)
        self.found_minimum = FirstLocalMinimum(batch)
        self.falls_short = FallsShort()
        self.on = torch.full((batch,), self.passes_through or not settings.mitigates)
        self.gated = torch.zeros(batch, dtype=torch.bool)
        self.gate_pending = settings.memorization_threshold > 0
        # Whether some sample waits for what the next observation shows.
        self.undecided = self.active and (self.gate_pending or settings.transition in BY_IMAGE)

    @property
    def active(self) -> bool:
        """Whether this run is mitigated at all: not where noise is added, nor where transition is off."""
        return self.settings.mitigates and not self.passes_through

    def place(self, sigma: Tensor) -> None:
        """Decide what depends on the noise level alone, sigma [batch], on its device: a static transition."""
        if self.active and self.settings.transition == STATIC:
            self.on = reached(sigma, self.static_sigma.to(sigma.device, non_blocking=True))
            if self.settings.memorization_threshold:
                self.on = self.on | self.gated.to(sigma.device, non_blocking=True)

    def decide(self, row: Tensor, cfg: float, sigma: float) -> None:
        """Follow the rule through an observation at the noise level sigma.

        row [4 or 5, batch]: the noise level, the norms and for an escape the pull; cfg: the guidance scale.
        """
        d = row[1]
        if self.gate_pending:
            self.gate_pending = False
            self.gated = rms(d, self.elements) < self.settings.memorization_threshold
            self.on = self.gated
        if self.settings.transition == DYNAMIC:
            self.on = self.on | self.found_minimum(d)
        if self.settings.transition == ESCAPE:
            self.on = self.on | self.falls_short(cfg * row[4])
        if self.settings.transition in BY_IMAGE and reached(sigma, self.latest_sigma):
            self.on = torch.ones_like(self.on)
        self.undecided = self.settings.transition in BY_IMAGE and not self.unanimous

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
