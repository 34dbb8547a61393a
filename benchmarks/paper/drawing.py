"""What the figures have in common."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch import Tensor

from ...samplers.guidance import norm
from ...samplers.schedule import TimestepScale
from ..testbeds import testbed
from .cache import Job
from .oracle import loaded


def new(rows: int, columns: int, width: float, height: float, **options) -> tuple[Figure, Any]:
    figure = Figure(figsize=(width, height), dpi=90, layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns, squeeze=False, **options)


def save(figure: Figure, folder: Path, name: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / f"{name}.png", metadata={"Software": None})


def timesteps(name: str, sigmas: Tensor) -> np.ndarray:
    """The paper's timestep of every noise level, 1000 to 0."""
    scale = TimestepScale(testbed(name).model.get_model_object("model_sampling").percent_to_sigma)
    return np.array([scale(sigma) for sigma in sigmas.tolist()])


def norms(jobs: list[Job]) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Timesteps [steps], and the three norms of Figure 3 in RMS, [starts, steps] each, of the jobs' trajectories."""
    sweeps = [loaded(job) for job in jobs]
    root = sweeps[0]["x"][0, 0].numel() ** 0.5
    pairs = {"difference": ("uncond", "cond"), "conditional": ("x", "cond"), "unconditional": ("x", "uncond")}
    curves = {}
    for label, (one, other) in pairs.items():
        curve = [
            norm((s[one] - s[other]).flatten(0, 1)).view(len(s["sigma"]), -1) / s["sigma"][:, None] for s in sweeps
        ]
        curves[label] = (torch.cat(curve, 1).T / root).numpy()
    return timesteps(jobs[0].condition.testbed, sweeps[0]["sigma"]), curves


def over_time(axes: Any, title: str = "", ylabel: str = "") -> None:
    axes.set(xlim=(1000, 0), xlabel="timestep t", title=title, ylabel=ylabel)
    axes.grid(alpha=0.3)


def show(axes: Any, picture: Tensor, title: str = "", copied: bool | None = None) -> None:
    """A picture [3, h, w] in [-1, 1]; framed red where it is a copy, green where it is none."""
    axes.imshow((picture.float() / 2 + 0.5).clamp(0, 1).movedim(0, -1).numpy())
    axes.set_title(title, fontsize=8)
    axes.set(xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set(color={True: "tab:red", False: "tab:green", None: "black"}[copied], linewidth=2.5)
