"""One sampling run: model calls go in, and for each comes out which samples classifier-free guidance acts on."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from .decomposition import Noising, finished_run, thinned
from .guidance import scale_before_transition, select
from .repeats import Repeats
from .schedule import Observations, TimestepScale, ascending
from .settings import Settings
from .trace import Listener, RunTrace
from .transition import Transition
from .watch import ALWAYS, LEFT_OUT, Watch


class Run:
    """State of one run: it has a transition, which decides, and a trace, which is what remains of it.

    Call it once per model call. What is watched stays on the model's device until a decision, a listener or the trace
    asks for it: then it comes over in one copy.

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
        self.settings, self.listener = settings, listener
        self.transition = Transition(settings, percent_to_sigma, batch, elements)
        self.passes_through = sigmas is not None and ascending(sigmas)
        self.everywhere = torch.ones(batch, dtype=torch.bool)
        self.timestep = TimestepScale(percent_to_sigma)
        self.observes, self.repeats = Observations(sigmas), Repeats()
        self.watch = Watch(settings, self.active)
        self.names: list[str] = []  # of what is watched
        self.calls: list[tuple[Tensor, bool, Tensor | None]] = []  # [names, batch], whether computed, thinned latent
        self.observed: list[tuple[Tensor, Tensor]] = []  # [names, batch], mask [batch]: not in the trace yet
        self.latents: list[Tensor | None] = []  # of the observations
        self._trace = RunTrace(
            settings, cfg, elements, torch.full((batch,), -1), self.transition.gated, reasons=[None] * batch
        )

    @property
    def active(self) -> bool:
        """Whether this run is mitigated at all: not where noise is added, nor where transition is off."""
        return self.settings.mitigates and not self.passes_through

    @property
    def trace(self) -> RunTrace:
        """Everything observed so far."""
        self.record()
        return self._trace

    def __call__(
        self, x: Tensor, cond: Tensor, uncond: Tensor, sigma: Tensor, scale: float | Tensor, computed: bool = True
    ) -> Tensor:
        """Watch the predictions of a model call; returns the mask [batch] of the samples that CFG acts on in it.

        x, cond, uncond [batch, ...]: the noisy input and its two denoised predictions; sigma [batch]; scale: the host's
        guidance scale, one or per sample; computed: whether the predictions are the model's own for this x, and not
        what a step cache remembers: only these are observations.
        """
        if self.passes_through:
            return self.everywhere
        self._keep(self.watch(x, cond, uncond, sigma, scale), computed, thinned(x))
        if self.transition.undecided:
            self._settle()
        on = self.mask(sigma)
        return self.transition.or_unjudged(on, self.watch.left_out) if self.active else on

    def mitigated(self, cond: Tensor, uncond: Tensor, on: Tensor) -> Tensor:
        """D_c of a model call for what is followed: of samples that wait, as Watch.held tells.

        cond, uncond [batch, ...] of the model call that was watched last, and its mask [batch].
        """
        if on.is_cpu and on.all():
            return cond
        return select(on, cond, self.watch.held(cond, uncond))

    def mask(self, sigma: Tensor) -> Tensor:
        """The same [batch] for the noise level sigma [batch], before the predictions of the call are known."""
        return self.transition.mask(sigma) if self.active else self.everywhere

    def skip(self, sigma: Tensor) -> None:
        """Note a call with one prediction only: a gap in the curves."""
        gap = torch.full_like(sigma, torch.nan, dtype=torch.float32)
        self._keep({"sigma": sigma.float(), **dict.fromkeys((*ALWAYS[1:], LEFT_OUT), gap)}, computed=False)

    def _keep(self, seen: dict[str, Tensor], computed: bool, latent: Tensor | None = None) -> None:
        self.names = list(seen)
        self.calls.append((torch.stack(list(seen.values())), computed, latent))
        if self.listener is not None and self.listener.due():
            self.listener(self.trace, False)

    def _settle(self) -> None:
        """Follow the rule through the calls since the last time, in one copy from the model's device."""
        calls, self.calls = self.calls, []
        if not calls:
            return
        rows, computed, latents = zip(*calls, strict=True)
        for row, own, latent in zip(torch.stack(rows).cpu(), computed, latents, strict=True):
            seen = dict(zip(self.names, row, strict=True))
            level = seen["sigma"][0].item()
            self._trace.facts.without_guidance += bool(seen[LEFT_OUT].eq(1).all())
            new = ~self.repeats(seen["guidance_norm"], level) & own
            if not self.observes(level):
                continue
            if self.transition.undecided:
                guided_pull = seen["scale"] * seen["pull"] if "pull" in seen else None
                self.transition.observe(seen["guidance_norm"], level, guided_pull, new)
            self.observed.append((row, self.mask(seen["sigma"])))
            self.latents.append(latent)

    def end(self, finished: Tensor, noising: Noising) -> None:
        """Add what only a finished run tells: finished [batch, ...], the latent that it made, in the model's scale."""
        levels = self.trace.series["sigma"][:, 0].tolist() if self.trace.steps else []
        self.trace.series |= finished_run(self.latents, finished, levels, noising)

    def record(self) -> None:
        """Bring the trace up to date."""
        self._settle()
        if not self.observed:
            return
        rows, on = (torch.stack(column) for column in zip(*self.observed, strict=True))
        self.observed = []
        series = dict(zip(self.names, rows.unbind(1), strict=True))
        del series[LEFT_OUT]
        timesteps = [self.timestep(level) for level in series["sigma"][:, 0].tolist()]
        series["timestep"] = torch.tensor(timesteps)[:, None].expand(on.shape)
        before = scale_before_transition(self.settings)
        if before is not None:
            series["scale"] = torch.where(on, series["scale"], before)
        self._trace.add(series, on & self.active)
        self._trace.gated = self.transition.gated
        began = (self._trace.transition_step >= 0).tolist()
        self._trace.reasons = [self.transition.reason(sample, on) for sample, on in enumerate(began)]
