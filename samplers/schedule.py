"""Noise levels: the paper's timestep of each, and which model calls are steps of the schedule."""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from math import cos, inf, log, pi
from typing import Any

from torch import Tensor

# Samplers compute their noise levels anew (exp(log), interpolation): equal within this relative tolerance.
SIGMA_TOLERANCE = 1e-4


def reached(sigma: float | Tensor, level: float | Tensor) -> Any:
    """Whether the noise level `sigma` is at or below `level`; for tensors, each of their entries."""
    return sigma <= level * (1 + SIGMA_TOLERANCE)


def ascending(sigmas: Sequence[float]) -> bool:
    """Whether a schedule adds noise instead of removing it (unsampling, flipped sigmas)."""
    return sigmas[0] < sigmas[-1]


class TimestepScale:
    """The paper's timestep of a noise level: 1000 (1 - percent), from 1000 (noise) to 0 (image).

    Inverts the host's percent_to_sigma, because a model's own timesteps are on other scales for many flow models.
    Interpolates linearly in log sigma, between levels that lie closer where schedules bend, at both ends; exact to
    less than a timestep for the schedules of ComfyUI's models. The host takes its time for each level.
    """

    CELLS = 64

    def __init__(self, percent_to_sigma: Callable[[float], float]):
        percents = [0.5 + 0.5 * cos(pi * (cell + 0.5) / self.CELLS) for cell in range(self.CELLS)]
        # Distilled schedules rest on a noise level for some percents: what counts is when sampling gets there.
        levels = {percent: percent_to_sigma(percent) for percent in percents}
        scale = {log(sigma): 1000 * (1 - percent) for percent, sigma in levels.items() if sigma > 0}
        self.log_sigmas, self.timesteps = list(scale), list(scale.values())

    def __call__(self, sigma: float) -> float:
        """Ends beyond the first and last cell are extrapolated, within 0 to 1000."""
        if sigma == 0 or len(self.timesteps) < 2:
            return 0.0
        level = log(sigma)
        right = min(max(bisect_left(self.log_sigmas, level), 1), len(self.log_sigmas) - 1)
        low, high = self.log_sigmas[right - 1], self.log_sigmas[right]
        before, after = self.timesteps[right - 1], self.timesteps[right]
        return min(max(before + (after - before) * (level - low) / (high - low), 0.0), 1000.0)


class Observations:
    """Picks one model call per step of the schedule: the calls at which the guidance norm counts.

    Samplers call the model more often than once per step (Heun, dpm_2, SDE) or off the schedule (churn,
    adaptive steps). The first call of a run observes; after it, a call that is the first to fall to or below
    a further level of `sigmas`, or, where no schedule is known, below every noise level seen so far.
    """

    def __init__(self, sigmas: Sequence[float] | None = None):
        self.levels = None if sigmas is None else sorted(level for level in sigmas if level > 0)
        self.lowest = inf

    def __call__(self, sigma: float) -> bool:
        if sigma == 0:  # a finished picture, which some video samplers show the model
            return False
        lowest, self.lowest = self.lowest, min(self.lowest, sigma)
        if self.levels is None or lowest == inf:
            return sigma < lowest
        return self._levels_reached(sigma) > self._levels_reached(lowest)

    def _levels_reached(self, sigma: float) -> int:
        assert self.levels is not None
        return len(self.levels) - bisect_left(self.levels, sigma / (1 + SIGMA_TOLERANCE))
