"""Guidance scales that change on the way (Wang et al., Analysis of Classifier-Free Guidance Weight Schedulers, TMLR
2024; Kynkaanniemi et al., Applying Guidance in a Limited Interval, NeurIPS 2024).

With tau = t / T (1 is pure noise, 0 the image), w0 the guidance scale and c the least one:

    inside   w(tau) = max(c, w0 f(tau))         f is one of SHAPES; its mean over tau is 1
    outside  w = w_out                          1: the conditional prediction alone, as in the interval paper

Inside is sigma_end < sigma <= sigma_start. Shapes are named by how they run while an image forms. The papers' and
ports' names mislead: "linear", "cosine" and "powered cosine" increase, "inverse linear" and "sine" decrease, and in
released code "V-shape" peaks in the middle. Jain et al. found increasing ones better against memorization: they hold
guidance back early.

Deviation from Jain's released code: there linear and inverse linear have no factor 2, so that their mean is w0 / 2.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import cos, pi

import torch
from torch import Tensor

from .settings import check_choice, check_range

SHAPES: dict[str, Callable[[float], float]] = {
    "constant": lambda tau: 1.0,
    "increasing": lambda tau: 2 * (1 - tau),
    "decreasing": lambda tau: 2 * tau,
    "rising cosine": lambda tau: 1 + cos(pi * tau),
    "falling cosine": lambda tau: 1 - cos(pi * tau),
    "peak mid": lambda tau: 2 - 2 * abs(2 * tau - 1),
    "dip mid": lambda tau: 2 * abs(2 * tau - 1),
}


@dataclass(frozen=True)
class GuidanceSchedule:
    """f by its name, c, the interval as shares of sampling (0 its start, 1 its end), and w_out.

    Raises ValueError naming the widget, what is wrong with it and what to do.
    """

    shape: str = "increasing"
    at_least: float = 0.0
    start_percent: float = 0.0
    end_percent: float = 1.0
    outside: float = 1.0

    def __post_init__(self) -> None:
        check_choice("schedule", self.shape, list(SHAPES))
        for widget, high in (("at_least", 100.0), ("outside", 100.0), ("start_percent", 1.0), ("end_percent", 1.0)):
            check_range(widget, getattr(self, widget), 0.0, high)
        if self.start_percent >= self.end_percent:
            raise ValueError(
                f"start_percent is {self.start_percent:g} and end_percent {self.end_percent:g}: the interval is empty. "
                "Set end_percent to a number above start_percent."
            )

    def scale(self, cfg: float | Tensor, tau: float, inside: bool) -> float | Tensor:
        """w at tau for the guidance scale w0 = cfg, one number or one for each sample."""
        if not inside:
            return self.outside
        scale = cfg * SHAPES[self.shape](tau)
        return scale.clamp_min(self.at_least) if isinstance(scale, Tensor) else max(scale, self.at_least)

    def curve(self, cfg: float, points: int = 1001) -> tuple[Tensor, Tensor]:
        """Timesteps from 1000 to 0 and the scales at them: [points] each."""
        percents = [point / (points - 1) for point in range(points)]
        inside = [
            self.start_percent <= percent < self.end_percent or percent == self.end_percent == 1 for percent in percents
        ]
        scales = [self.scale(cfg, 1 - percent, within) for percent, within in zip(percents, inside, strict=True)]
        return 1000 * (1 - torch.tensor(percents)), torch.tensor(scales)
