"""What many runs under zero guidance have in common: mean curves, and a static transition (Jain et al., Figure 3)."""

from dataclasses import dataclass

import torch
from torch import Tensor

from .guidance import ZERO, rms
from .trace import RunTrace

Z_95 = 1.96  # standard errors on either side of a mean that hold 95 % of a normal distribution


@dataclass(frozen=True)
class Curve:
    """A mean over samples and the half width of its 95 % confidence band, both [steps]."""

    mean: Tensor
    band: Tensor


@dataclass(frozen=True)
class Norms:
    """Norms of all samples in RMS, [steps, samples] each, and the timesteps [steps] that they belong to."""

    timestep: Tensor
    conditional: Tensor
    unconditional: Tensor
    guidance: Tensor

    @property
    def gap(self) -> Tensor:
        """By how much the conditional norm is larger."""
        return self.conditional - self.unconditional


def mean_curve(values: Tensor) -> Curve:
    """Over two or more samples: values [steps, samples]."""
    return Curve(values.mean(1), Z_95 * values.std(1) / values.shape[1] ** 0.5)


def zero_guidance_norms(runs: list[RunTrace]) -> Norms:
    """The norms of every sample of every run. Raises ValueError for runs that do not make a mean."""
    for run in runs:
        guided = not run.settings.mitigates or (run.transition_step >= 0).any()
        if guided or run.settings.before_transition != ZERO:
            raise ValueError(
                "trace has runs that were guided, but the transition shows under zero guidance throughout. Set "
                "transition to never, before_transition to zero guidance and memorization_threshold to 0 on the node "
                "that the trace comes from."
            )
    timesteps = [run.quantity("timestep")[:, 0] for run in runs]
    if any(len(other) != len(timesteps[0]) or not torch.allclose(other, timesteps[0]) for other in timesteps):
        raise ValueError(
            "trace has runs with different timesteps, which have no mean. Use the same sampler, scheduler, steps and "
            "denoise for all of them. A change of any setting of the node that the trace comes from begins it anew."
        )
    samples = {
        name: torch.cat([rms(run.quantity(f"{name}_norm"), run.elements) for run in runs], dim=1)
        for name in ("conditional", "unconditional", "guidance")
    }
    if samples["guidance"].isnan().any():
        raise ValueError("trace has runs with a pass left out: set skip_unused_pass to off.")
    if samples["guidance"].shape[1] < 2:
        raise ValueError(
            "trace has one image, but a static transition is a trend of many. Raise the batch size, or let several "
            "samplers (or several queued prompts) share the model patch."
        )
    return Norms(timesteps[0], **samples)


def static_transition(norms: Norms, tolerance: float) -> float | None:
    """The percent from which on the conditional and the unconditional norm are one, None where they never are.

    As the paper reads Figure 3: at the start the guidance norm is high and the mean conditional norm is above the
    unconditional one; from the static point on the two align until the end.

    High       is a mean above `tolerance` times the highest mean of all steps.
    Apart      are the two norms where the mean of their difference is high and above zero beyond its 95 % band.
    The point  lies halfway between the last step in which they are apart and the next one. There is none where the
               guidance norm is not high, or the conditional norm not above the other, in the first step (nothing
               pulls), nor where the two are apart in the last one.
    """
    gap, pull = mean_curve(norms.gap), mean_curve(norms.guidance).mean
    above = gap.mean > gap.band
    apart = above & (gap.mean > tolerance * gap.mean.max())
    if not (above[0] and pull[0] > tolerance * pull.max()) or apart[-1] or not apart.any():
        return None
    last = int(apart.nonzero()[-1])
    return 1 - norms.timestep[last : last + 2].mean().item() / 1000
