"""The guidance-norm curve as a picture, in the manner of the paper's Figures 2, 3 and 6."""

from itertools import groupby
from typing import Any

import torch
from torch import Tensor

from ..samplers.guidance import rms
from ..samplers.settings import OFF
from ..samplers.trace import RunTrace
from ..samplers.words import waiting
from .axes import dress
from .picture import THEMES, new_figure
from .quantities import CURVES, GUIDANCE_NORM, NORMS, PULL, SCALE
from .strip import draw_strip


def draw_runs(
    runs: list[RunTrace],
    quantity: str,
    x_axis: str,
    width: int,
    height: int,
    theme: str,
    images: Tensor | None = None,
    remark: str = "",
) -> Any:
    """A matplotlib Figure of at least one run, the last one in full colour; sizes in pixels.

    images [batch, h, w, 3] are the pictures of that run: each is drawn below its transition. remark: for the title.
    """
    colours, figure = THEMES[theme], new_figure(width, height, theme)
    heights = {"height_ratios": [1] if images is None else [3, 1]}
    rows = figure.subplots(len(heights["height_ratios"]), squeeze=False, gridspec_kw=heights)[:, 0]
    axes = rows[0]
    axes.set_facecolor(colours["paper"])
    for run in runs:
        _draw_run(axes, run, quantity, x_axis, newest=run is runs[-1], colours=colours)
    _draw_threshold(axes, runs[-1], quantity, colours)
    dress(axes, runs, quantity, x_axis, colours, remark)
    if images is not None:
        steps = runs[-1].transition_step
        frames = [_sample_colour(sample, len(steps)) for sample in range(len(steps))]
        draw_strip(rows[1], axes, _positions(runs[-1], x_axis), steps, images, frames, colours["ink"])
    return figure


def _draw_run(axes: Any, run: RunTrace, quantity: str, x_axis: str, newest: bool, colours: dict) -> None:
    x = _positions(run, x_axis)
    batch = run.transition_step.numel()
    alpha = (1.0 if batch <= 4 else 0.75) if newest else 0.3
    if newest:
        _shade(axes, x, waiting(run).float().mean(1), colours)
    for name, label, style in CURVES[quantity]:
        values = run.quantity(name)
        if quantity in NORMS:
            values = rms(values, run.elements)
        for sample, curve in enumerate(values.unbind(1)):
            colour = _sample_colour(sample, batch) if newest else colours["ink"]
            kind = {"drawstyle": "steps-post"} if quantity == SCALE else {}
            line = {
                "color": colour,
                "linestyle": style,
                "linewidth": 2.0 if batch <= 4 else 1.2,
                "alpha": alpha,
            }
            axes.plot(x, curve, label=label if newest and not sample else None, **line, **kind)
            step = int(run.transition_step[sample])
            if newest and step >= 0 and not run.gated[sample]:
                axes.plot(x[step], curve[step], "o", color=colour, markersize=7, markeredgecolor=colours["paper"])


def _positions(run: RunTrace, x_axis: str) -> Tensor:
    if x_axis == "step":
        return torch.arange(run.steps).float()
    return run.quantity(x_axis)[:, 0]


def _shade(axes: Any, x: Tensor, share: Tensor, colours: dict) -> None:
    """Shade every stretch of steps as strongly as the share of samples that are under mitigation in it."""
    for part, stretch in groupby(range(len(x) - 1), key=share.tolist().__getitem__):
        first, *_, last = [*stretch] * 2
        if part:
            left, right = x[first].item(), x[last + 1].item()
            axes.axvspan(left, right, facecolor=colours["shade"], edgecolor="none", alpha=0.22 * part)


def _sample_colour(sample: int, batch: int) -> Any:
    from matplotlib import colormaps

    return colormaps["tab10"](sample) if batch <= 10 else colormaps["turbo"](0.05 + 0.9 * sample / (batch - 1))


def _draw_threshold(axes: Any, run: RunTrace, quantity: str, colours: dict) -> None:
    """What a decision compares the quantity with."""
    line = {"color": colours["ink"], "linestyle": "--", "linewidth": 1}
    gate = run.settings.memorization_threshold
    if gate and run.settings.transition != OFF and quantity == GUIDANCE_NORM:
        axes.axhline(gate, label="memorization threshold", **line)
    if quantity == PULL and run.cfg > 0:
        axes.axhline(1 / run.cfg, label="CFG gets there from above", **line)
