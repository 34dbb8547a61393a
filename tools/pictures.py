"""`make pictures`: what the nodes do on the testbed, for README and the help pages of the sweep and the estimate.

All with Euler, 50 steps, guidance 7.5. README: four memorized captions, three start noises each, without mitigation and
under orthogonal guidance. Sweep: "aurora red circle", seed 0. Estimate: eight memorized captions, seeds 0 to 7, eight
start noises each, zero guidance throughout.
"""

from typing import Any

import comfy.utils
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ..benchmarks.measure import MEMORIZED, MEMORIZED_CAPTIONS, NODES, WIDGETS, GuidanceTrace, encode, measure
from ..nodes.preview import to_picture
from .pack import ROOT

DOCS = ROOT / "web" / "docs"
# README's two pictures: what goes wrong, and what this does about it.
README: dict[str, tuple[str, dict[str, Any]]] = {
    "copies": ("without Basin Escape", {"transition": "off"}),
    "no-copies": ("with Basin Escape", {"transition": "never", "before_transition": "orthogonal guidance"}),
}
SWEEP_WIDGETS = ("steps", "cfg", "sampler_name", "scheduler", "before_transition", "opposite_scale")


def rows(title: str, samples: torch.Tensor) -> Figure:
    """A row per caption: the memorized image, then what was sampled: [captions, starts, 3, 16, 16] in [-1, 1]."""
    captions, starts = samples.shape[:2]
    figure = Figure(figsize=(1.3 * (starts + 2), 1.25 * captions + 0.4), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    groups: Any = figure.subfigures(1, 2, width_ratios=[2, starts])
    halves = {"training image": MEMORIZED[:captions, None], title: samples}
    for group, (name, columns) in zip(groups, halves.items(), strict=True):
        group.suptitle(name, fontsize=11)
        grid: Any = group.subplots(captions, columns.shape[1], squeeze=False)
        for axes, image in zip(grid.flat, columns.flatten(0, 1), strict=True):
            axes.imshow((image / 2 + 0.5).clamp(0, 1).movedim(0, -1))
            axes.set(xticks=[], yticks=[])
        for axes, caption in zip(grid[:, 0], MEMORIZED_CAPTIONS, strict=False):
            if name == "training image":
                axes.set_ylabel(caption.replace(" ", "\n"), rotation=0, ha="right", va="center")
    return figure


def sweep_picture() -> torch.Tensor:
    model, clip, vae, *_ = NODES["LoadMemorizationTestbed"]().load("eps")
    latents, trace, _ = NODES["TransitionSweep"]().sweep(
        model=model,
        positive=encode(clip, MEMORIZED_CAPTIONS[0]),
        negative=encode(clip, ""),
        latent_image={"samples": torch.zeros(1, 3, 16, 16)},
        seed=0,
        points=8,
        first_percent=0.1,
        last_percent=0.8,
        **{name: WIDGETS[name] for name in SWEEP_WIDGETS},
    )
    images = vae.decode(latents["samples"])
    plot = NODES["GuidanceNormPlot"]().plot(
        trace, "guidance norm", "timestep", "last", 1024, 640, "light", images=images
    )
    return plot["result"][0]


def estimate_picture() -> torch.Tensor:
    runs = measure(MEMORIZED_CAPTIONS[:8], 8, transition="static", static_percent=1.0).runs
    return NODES["EstimateStaticTransition"]().estimate(GuidanceTrace(runs), 0.25)["result"][1]


def main() -> None:
    comfy.utils.set_progress_bar_enabled(False)
    for name, (title, settings) in README.items():
        figure = rows(title, measure(MEMORIZED_CAPTIONS[:4], 3, **settings).samples)
        figure.savefig(ROOT / "docs" / f"{name}.png")
    for name, image in {"transition-sweep": sweep_picture(), "static-point": estimate_picture()}.items():
        to_picture(image).save(DOCS / f"{name}.png", optimize=True)
