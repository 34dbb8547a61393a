"""Draw docs/icon.png, the pack's picture in the registry: a trajectory that leaves an attraction basin."""

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from .pack import ROOT

PIXELS = 400
DARK, RING, PATH, GOAL = "#14213d", "#3f5f94", "#ffffff", "#fca311"


def icon() -> Figure:
    figure = Figure(figsize=(4, 4), dpi=PIXELS / 4, facecolor=DARK)
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
    axes.axis("off")
    angle = np.linspace(0, 2 * np.pi, 200)
    for radius in (0.06, 0.15, 0.24, 0.33):
        axes.plot(0.38 + radius * np.cos(angle), 0.4 + radius * np.sin(angle), color=RING, linewidth=9)
    turn = np.linspace(0, 1, 100)
    start, pulled, goal = np.array([[0.12, 0.9], [0.42, 0.28], [0.9, 0.82]])[:, :, None]
    curve = (1 - turn) ** 2 * start + 2 * turn * (1 - turn) * pulled + turn**2 * goal
    axes.plot(*curve, color=PATH, linewidth=13, solid_capstyle="round")
    axes.plot(*goal, marker="o", markersize=36, color=GOAL)
    return figure


def main() -> None:
    icon().savefig(ROOT / "docs" / "icon.png")
