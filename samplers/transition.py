"""When classifier-free guidance begins to act: Algorithm 1 of Jain et al., and the other choices of `transition`.

For each sample, with the guidance norm d_k of observation k, the guidance scale s and the threshold epsilon of the
gate:

    k = 0     d_0 < epsilon                     not memorized: tau = 0                        (the gate)
    k >= 2    d_{k-2} > d_{k-1} < d_k           a local minimum: tau = k                      (dynamic: Algorithm 1)
    k >= 0    s p_k < 1                         CFG no longer reaches the first D_c: tau = k  (escape: ours)
    k >= 0    sigma_k <= sigma(static_percent)  tau = k                                       (static)
    k >= 0    sigma_k <= sigma(latest_percent)  the deadline of dynamic and escape: tau = k

p_k is the share of the way from D_u to the first D_c that D_c still goes (guidance.pull). CFG acts from the transition
tau on, that observation included, and never stops acting again.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from .guidance import on_device, rms
from .schedule import reached
from .settings import DYNAMIC, ESCAPE, STATIC, Settings

# Why CFG began to act on a sample.
GATE, MINIMUM, ESCAPED, PERCENT, DEADLINE = "gate", "minimum", "escape", "static", "deadline"


class Transition:
    """The mask of the samples that CFG acts on, followed from observation to observation.

    percent_to_sigma  the host's, of the model's noise schedule
    batch             number of samples
    elements          number of elements of a sample
    """

    def __init__(self, settings: Settings, percent_to_sigma: Callable[[float], float], batch: int, elements: int):
        self.settings, self.elements = settings, elements
        static_sigmas = [percent_to_sigma(percent) for percent in settings.static_percents]
        self.static_sigma = torch.tensor(static_sigmas).expand(batch)
        self.latest_sigma = percent_to_sigma(settings.latest_percent)
        self.by_image = settings.transition in (DYNAMIC, ESCAPE)
        self.d_1 = self.d_2 = torch.full((batch,), -torch.inf)  # d_{k-1} and d_{k-2}; the start is no minimum
        self.on = torch.full((batch,), not settings.mitigates)
        self.gated = torch.zeros(batch, dtype=torch.bool)
        self.judged = torch.full((batch,), settings.memorization_threshold == 0)
        self.reasons: list[str | None] = [None] * batch

    @property
    def undecided(self) -> bool:
        """Whether some sample waits for what the next observation shows."""
        waits = not self.judged.all() or (self.by_image and not self.on.all())
        return self.settings.mitigates and bool(waits)

    def observe(self, d: Tensor, sigma: float, guided_pull: Tensor | None = None, seen: Tensor | None = None) -> None:
        """Follow the rules through observation k.

        d [batch]: the guidance norm (L2); sigma: its noise level; guided_pull [batch]: s p, of an escape only;
        seen [batch]: the samples that have a prediction of their own here. The others wait for the next observation.
        """
        if not self.settings.mitigates:
            return
        seen = torch.ones_like(self.on) if seen is None else seen
        below = rms(d, self.elements) < self.settings.memorization_threshold
        self.gated = self.gated | (seen & ~self.judged & below)
        self.judged = self.judged | seen
        self._begin(self.gated, GATE)
        if self.settings.transition == DYNAMIC:
            self._begin(seen & (self.d_2 > self.d_1) & (self.d_1 < d), MINIMUM)
        if self.settings.transition == ESCAPE and guided_pull is not None:
            self._begin(seen & (guided_pull < 1), ESCAPED)
        if self.by_image and reached(sigma, self.latest_sigma):
            self._begin(torch.ones_like(self.on), DEADLINE)
        self.d_2, self.d_1 = torch.where(seen, self.d_1, self.d_2), torch.where(seen, d, self.d_1)

    def _begin(self, here: Tensor, reason: str) -> None:
        for sample in (here & ~self.on).nonzero().flatten().tolist():
            self.reasons[sample] = reason
        self.on = self.on | here

    def mask(self, sigma: Tensor) -> Tensor:
        """[batch] bool: where CFG acts at the noise level sigma [batch].

        On the CPU; for a static transition, which has no state but the gate's, on the device of sigma.
        """
        if self.settings.transition != STATIC:
            return self.on
        on = reached(sigma, on_device(self.static_sigma, sigma.device))
        return on | on_device(self.gated, sigma.device) if self.settings.memorization_threshold else on

    def or_unjudged(self, on: Tensor, left_out: Tensor) -> Tensor:
        """The mask `on`, with those that a gate cannot judge yet, as a prediction of theirs is left out ([batch] bool).

        They may be plain CFG throughout.
        """
        if self.judged.all():
            return on
        return on_device(on, left_out.device) | (left_out & on_device(~self.judged, left_out.device))

    def reason(self, sample: int, began: bool) -> str | None:
        """Why CFG began on a sample, None while it has not; `began` tells it of a static transition."""
        static = self.settings.transition == STATIC and began
        return self.reasons[sample] or (PERCENT if static else None)
