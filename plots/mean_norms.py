"""Mean norms of many runs with their confidence bands, in the manner of the paper's Figures 3, 10 and 12."""

from typing import Any

from ..samplers.static_point import Norms, mean_curve
from .picture import THEMES, new_figure

WIDTH, HEIGHT, THEME = 768, 768, "light"
NONE = "no static transition point: if these prompts are memorized, set transition to dynamic"


def draw_norms(norms: Norms, percent: float | None, tolerance: float) -> Any:
    """A matplotlib Figure: the norms of the two predictions, their difference, and the guidance norm."""
    colours, figure = THEMES[THEME], new_figure(WIDTH, HEIGHT, THEME)
    predictions, gap, guidance = figure.subplots(3, sharex=True)
    curves = [
        (predictions, "conditional", norms.conditional, "tab:red"),
        (predictions, "unconditional", norms.unconditional, "tab:blue"),
        (gap, "conditional minus unconditional", norms.gap, "tab:purple"),
        (guidance, "guidance norm", norms.guidance, "tab:green"),
    ]
    for axes, label, values, colour in curves:
        curve = mean_curve(values)
        axes.plot(norms.timestep, curve.mean, color=colour, label=label)
        low, high = curve.mean - curve.band, curve.mean + curve.band
        axes.fill_between(norms.timestep, low, high, color=colour, alpha=0.2, linewidth=0)
    level = tolerance * norms.gap.mean(1).max().item()
    gap.axhline(level, color=colours["ink"], linestyle=":", linewidth=1, label="tolerance")
    for axes in (predictions, gap, guidance):
        if percent is not None:
            axes.axvline(1000 * (1 - percent), color=colours["ink"], linestyle="--", linewidth=1)
        axes.set_ylabel("RMS")
        axes.grid(color=colours["grid"], linewidth=0.8)
        axes.legend()
    guidance.set_xlim(1000, 0)
    guidance.set_xlabel("timestep t")
    images = norms.guidance.shape[1]
    predictions.set_title(f"mean of {images} images under zero guidance, 95 % bands\n{in_words(percent)}", fontsize=11)
    return figure


def in_words(percent: float | None) -> str:
    if percent is None:
        return NONE
    return f"static transition point: t = {1000 * (1 - percent):.0f}, static_percent {percent:.3f}"
