"""What the figures have in common.

matplotlib is imported when a picture is drawn, and never through pyplot, whose windows end a server.
"""

import sys
from typing import Any

import numpy as np
import torch
from torch import Tensor

THEMES = {
    "light": {"paper": "#ffffff", "ink": "#24272b", "grid": "#dfe2e6", "shade": "#d9822b"},
    "dark": {"paper": "#1b1d21", "ink": "#d7dade", "grid": "#363a40", "shade": "#e8a35c"},
}
DPI = 100


def new_figure(width: int, height: int, theme: str) -> Any:
    """An empty matplotlib Figure of a size in pixels. Raises RuntimeError where matplotlib is missing."""
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise RuntimeError(
            f"Plots need matplotlib, which is not installed. Run: {sys.executable} -m pip install matplotlib"
        ) from error
    paper = THEMES[theme]["paper"]
    return Figure(figsize=(width / DPI, height / DPI), dpi=DPI, layout="constrained", facecolor=paper)


def picture(figure: Any) -> Tensor:
    """A matplotlib Figure as an image [1, height, width, 3] in [0, 1]."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    pixels = np.asarray(canvas.buffer_rgba())[..., :3]
    return torch.from_numpy(pixels.astype(np.float32) / 255)[None]
