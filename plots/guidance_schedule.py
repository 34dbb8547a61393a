"""A guidance schedule as a picture."""

from typing import Any

from ..samplers.guidance_schedule import GuidanceSchedule
from .picture import THEMES, new_figure


def draw_schedule(schedule: GuidanceSchedule, cfg: float, width: int = 512, height: int = 320) -> Any:
    """A matplotlib Figure: the scale over the timestep, and cfg itself as a dashed line; sizes in pixels."""
    colours, figure = THEMES["light"], new_figure(width, height, "light")
    axes = figure.subplots()
    axes.plot(*schedule.curve(cfg), color=colours["shade"], linewidth=2)
    axes.axhline(cfg, color=colours["ink"], linestyle="--", linewidth=1)
    axes.set(xlim=(1000, 0), xlabel="timestep t", ylabel="guidance scale", title=f"{schedule.shape}, with cfg {cfg:g}")
    axes.set_ylim(bottom=0)
    axes.grid(color=colours["grid"], linewidth=0.8)
    axes.set_axisbelow(True)
    return figure
