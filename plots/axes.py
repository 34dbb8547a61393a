"""What stands around the curves: axes in both units of a norm, title, legend, colours."""

import textwrap
from typing import Any

from ..samplers.settings import OFF
from ..samplers.trace import RunTrace
from ..samplers.words import describe
from .quantities import FROM_ZERO, LABELS, NORMS, X_AXES

CHARACTERS_PER_INCH = 10  # of the title's font


def dress(axes: Any, runs: list[RunTrace], quantity: str, x_axis: str, colours: dict, remark: str) -> None:
    """Label axes that hold the curves of `runs`, the last of which the title tells of, with `remark` behind."""
    _x_axis(axes, x_axis)
    axes.set_ylabel(LABELS[quantity])
    if quantity in FROM_ZERO:
        axes.set_ylim(bottom=0)
    sides = [axes, _l2_axis(axes, runs[-1].elements)] if quantity in NORMS else [axes]
    _title(axes, runs, colours["ink"], remark)
    _paint(axes, sides, colours)


def _x_axis(axes: Any, x_axis: str) -> None:
    """Sampling goes from left to right."""
    axes.set_xlabel(X_AXES[x_axis])
    if x_axis == "timestep":
        axes.set_xlim(1000, 0)
    elif x_axis == "sigma":
        axes.set_xscale("log")
        axes.invert_xaxis()


def _l2_axis(axes: Any, elements: int) -> Any:
    root = elements**0.5
    l2 = axes.secondary_yaxis("right", functions=(lambda left: left * root, lambda right: right / root))
    l2.set_ylabel("L2 norm (the paper's unit)")
    return l2


def _title(axes: Any, runs: list[RunTrace], ink: str, remark: str) -> None:
    settings = runs[-1].settings
    before = "" if settings.transition == OFF else f", {settings.before_transition}"
    older = f" ({len(runs) - 1} earlier in grey)" if len(runs) > 1 else ""
    title = [f"transition {settings.transition}{before}{older}", describe(runs[-1]), remark]
    width = int(axes.figure.get_figwidth() * CHARACTERS_PER_INCH)
    lines = [part for line in title for part in textwrap.wrap(line, width)]
    axes.set_title("\n".join(lines), color=ink, fontsize=11)


def _paint(axes: Any, sides: list, colours: dict) -> None:
    axes.grid(color=colours["grid"], linewidth=0.8)
    axes.set_axisbelow(True)
    for side in sides:
        side.tick_params(colors=colours["ink"])
        side.yaxis.label.set_color(colours["ink"])
        side.xaxis.label.set_color(colours["ink"])
        for spine in side.spines.values():
            spine.set_color(colours["grid"])
    if axes.get_legend_handles_labels()[1]:
        axes.legend(facecolor=colours["paper"], edgecolor=colours["grid"], labelcolor=colours["ink"])
