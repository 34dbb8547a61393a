"""Methods from elsewhere on the trained testbed, for their help pages: plain CFG beside the method.

Euler, 25 steps, guidance 7.5, the learned variant; two memorized captions, two start noises each. And the guidance
schedules for a cfg of 7.5. `make pictures`.
"""

from typing import Any

import comfy.utils
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch import Tensor

from ..benchmarks.field import embedding, experimental, gradients
from ..benchmarks.field import methods as field
from ..benchmarks.harness import Sampling, evaluate
from ..benchmarks.methods import PLAIN, Method
from ..benchmarks.testbeds import testbed
from ..nodes.schedule_guidance import PLOTTED_CFG
from ..samplers.guidance_schedule import SHAPES, GuidanceSchedule
from .pack import ROOT

DOCS = ROOT / "web" / "docs"
BED, STARTS, SAMPLING = "learned", 2, Sampling(steps=25)
METHODS: dict[str, Method] = {
    "adjusted-noise": field.adjusted("batch-wise, zero until t = 700", 0.39, 0.7, 2, field.static(700)),
    "per-sample-noise": gradients.per_sample(0.007, 0.05),
    "sharpness-aware-noise": gradients.sharpness_aware(0.06),
    "annealed-conditioning": field.annealed("CADS 0.5", strength=0.5, tau1=0.5),
    "moved-prompt": embedding.moved(0.0039),
    "perturbed-prompt": field.perturbed("random word", 4),
    "perturbed-conditioning": field.noised(0.5),
    "repadded-prompt": field.repadded("repad, end token off"),
    "held-norms": experimental.held(0.0),
    "mixed-start": experimental.mixed(0.2),
    "reinforced-content": experimental.reinforced(2.0),
    "reanchored-guidance": field.reanchored("re-anchored", 0.01, lambda caption: field.without_title(caption)[:1]),
}


def beside(captions: tuple[str, ...], columns: dict[str, Tensor]) -> Figure:
    """A row per caption; columns of pictures [captions, number, 3, 16, 16] in [-1, 1] under their titles."""
    widths = [pictures.shape[1] for pictures in columns.values()]
    figure = Figure(figsize=(1.2 * sum(widths) + 1.2, 1.2 * len(captions) + 0.4), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    groups: Any = figure.subfigures(1, len(columns), width_ratios=[widths[0] + 1, *widths[1:]])
    for group, (title, pictures) in zip(groups, columns.items(), strict=True):
        group.suptitle(title, fontsize=10)
        grid: Any = group.subplots(len(captions), pictures.shape[1], squeeze=False)
        for axes, image in zip(grid.flat, pictures.flatten(0, 1), strict=True):
            axes.imshow((image / 2 + 0.5).clamp(0, 1).movedim(0, -1))
            axes.set(xticks=[], yticks=[])
        for axes, caption in zip(grid[:, 0], captions if group is groups[0] else (), strict=False):
            axes.set_ylabel(caption.replace(" ", "\n"), rotation=0, ha="right", va="center")
    return figure


def schedules() -> Figure:
    """Every schedule over the timestep."""
    figure = Figure(figsize=(8, 3.6), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    grid: Any = figure.subplots(2, 3, sharex=True, sharey=True)
    for axes, shape in zip(grid.flat, (shape for shape in SHAPES if shape != "constant"), strict=True):
        axes.plot(*GuidanceSchedule(shape).curve(PLOTTED_CFG), color="#d9822b", linewidth=2)
        axes.axhline(PLOTTED_CFG, color="#24272b", linestyle="--", linewidth=1)
        axes.set(title=shape, xlim=(1000, 0))
    figure.supxlabel("timestep t", fontsize=10)
    figure.supylabel("guidance scale", fontsize=10)
    return figure


def main() -> None:
    comfy.utils.set_progress_bar_enabled(False)
    schedules().savefig(DOCS / "guidance-schedules.png")
    bed = testbed(BED)
    captions = tuple(bed.tuning.memorized[:2])
    images = bed.memorized[[bed.captions.index(caption) for caption in captions]][:, None]
    plain = evaluate(PLAIN, BED, captions, STARTS, SAMPLING).samples
    for name, method in METHODS.items():
        made = evaluate(method, BED, captions, STARTS, SAMPLING).samples
        columns = {"training image": images, "plain CFG": plain, "with the method": made}
        beside(captions, columns).savefig(DOCS / f"{name}.png")
