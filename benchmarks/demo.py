"""`make demo`: a memorizing model with and without mitigation, on ComfyUI's own sampling library.

Writes pictures, curves and traces to output/ and prints what was measured. The contact sheet shows the scenes, numbers
and other pictures are of the closed form. Seeds: caption number i starts from seed i, pictures of one
caption are one batch; 50 steps, Euler, guidance 7.5.
"""

import json
import re
import time
from collections.abc import Sequence
from typing import Any

import comfy.utils
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch import Tensor
from tqdm import tqdm

from ..nodes.preview import to_picture
from ..testbed.scenes.loader import SCENES
from ..tools.pack import ROOT
from .measure import MEMORIZED_CAPTIONS, NODES, ORDINARY_CAPTIONS, GuidanceTrace, Measurement, measure
from .testbeds import testbed

OUTPUT = ROOT / "output"
# Halfway between the first-step norms (RMS) of ordinary and of memorized captions; the table prints both.
GATE = 0.010
# The prompts of each kind and how many pictures of each: 64 of either.
PROMPTS = {"memorized": (MEMORIZED_CAPTIONS[:8], 8), "ordinary": (ORDINARY_CAPTIONS[::7], 16)}

OPPOSITE = {"before_transition": "opposite guidance"}
ORTHOGONAL = {"transition": "never", "before_transition": "orthogonal guidance"}
SETTINGS = {
    "no mitigation": {"transition": "off"},
    "static, zero guidance, t = 500": {"transition": "static", "skip_unused_pass": True},
    "dynamic, zero guidance": {},
    "dynamic, opposite guidance 2": OPPOSITE,
    "dynamic, opposite, gate": {**OPPOSITE, "memorization_threshold": GATE},
    "orthogonal guidance": ORTHOGONAL,
    "orthogonal guidance, gate": {**ORTHOGONAL, "memorization_threshold": GATE},
}
ROWS = [(kind, name) for kind in PROMPTS for name in SETTINGS]
SHOWN = ["no mitigation", "orthogonal guidance", "dynamic, zero guidance"]


def main() -> None:
    comfy.utils.set_progress_bar_enabled(False)
    started = time.perf_counter()
    OUTPUT.mkdir(exist_ok=True)
    contact_sheet().savefig(OUTPUT / "contact-sheet.png")
    print(f"What it looks like: {OUTPUT / 'contact-sheet.png'}. What is measured:")
    with tqdm(total=sum(len(PROMPTS[kind][0]) for kind, _ in ROWS), unit="batch") as progress:
        results = {(kind, name): measure(*PROMPTS[kind], tick=progress.update, **SETTINGS[name]) for kind, name in ROWS}
    seconds = time.perf_counter() - started
    write_curves(results)
    write_traces(results)
    write_memorized_images()
    write_first_norms()
    print_table(results)
    print(f"\nComputed in {seconds:.0f} s. Pictures, curves and traces: {OUTPUT}")


def print_table(results: dict[tuple[str, str], Measurement]) -> None:
    for kind, (prompts, seeds) in PROMPTS.items():
        print(f"{kind}: {len(prompts)} captions, {seeds} start noises each")
    print()
    print("| prompts | setting | copied | similarity | alignment | transition step | model calls |")
    print("|---|---|---|---|---|---|---|")
    for (kind, name), result in results.items():
        steps = result.transition_steps
        switched = steps[steps >= 0].float()
        step = f"{switched.mean():.1f}" if len(switched) else "-"
        print(
            f"| {kind} | {name} | {result.copy_rate:.2f} | {result.mean_similarity:.2f} | "
            f"{result.mean_alignment:.2f} | {step} | {result.calls:.0f} |"
        )
    print("\nGuidance norm of the first step (RMS), from which to choose memorization_threshold:")
    for kind in PROMPTS:
        norms = results[kind, "no mitigation"].first_norms
        print(f"  {kind:9}  {norms.min():.4f} to {norms.max():.4f}, mean {norms.mean():.4f}")
    print(f"  gate used  {GATE}")


def contact_sheet() -> Figure:
    """A row per caption of the scenes: the memorized image, then the same three start noises under each of SHOWN."""
    captions, images = (list(values[:4]) for values in (testbed(SCENES).captions, testbed(SCENES).memorized))
    figure = Figure(figsize=(12.2, 4.7), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    groups: Any = figure.subfigures(1, 1 + len(SHOWN), width_ratios=[3.1] + [3] * len(SHOWN), wspace=0.02)
    columns = {"training image": [image[None] for image in images]}
    columns |= {name: list(measure(captions, 3, name=SCENES, **SETTINGS[name]).samples) for name in SHOWN}
    for group, (title, samples) in zip(groups, columns.items(), strict=True):
        group.suptitle(title, fontsize=11)
        draw_rows(group, samples, captions if title == "training image" else [])
    return figure


def draw_rows(figure: Any, samples: Sequence[Tensor], captions: Sequence[str] = ()) -> None:
    """A row of pictures [n, 3, h, w] for each caption, which stands at its left if it is given."""
    grid: Any = figure.subplots(len(samples), len(samples[0]), squeeze=False)
    for axes, sample in zip(grid.flat, (sample for row in samples for sample in row), strict=True):
        axes.imshow((sample / 2 + 0.5).clamp(0, 1).movedim(0, -1), interpolation="nearest")
        axes.set(xticks=[], yticks=[])
    for axes, caption in zip(grid[:, 0], captions, strict=False):
        axes.set_ylabel(caption.replace(" ", "\n", 1), rotation=0, ha="right", va="center")


def write_curves(results: dict[tuple[str, str], Measurement]) -> None:
    """The first caption's guidance norm, drawn by Plot Guidance Norm: all its seeds, and one on its own."""
    curves = {f"curve_{file_name(name)}": results["memorized", name].runs[0] for name in SHOWN}
    curves["guidance-norm"] = measure(MEMORIZED_CAPTIONS[:1], seeds=1).runs[0]
    for name, run in curves.items():
        trace = GuidanceTrace([run])
        plot = NODES["GuidanceNormPlot"]().plot(trace, "guidance norm", "timestep", "last", 768, 448, "light")
        to_picture(plot["result"][0]).save(OUTPUT / f"{name}.png")


def write_traces(results: dict[tuple[str, str], Measurement]) -> None:
    for (kind, name), result in results.items():
        path = OUTPUT / f"trace_{kind}_{file_name(name)}.json"
        path.write_text(GuidanceTrace(result.runs).to_json(), encoding="utf-8")


def write_memorized_images() -> None:
    """The memorized images with their captions, as the testbed's outputs `memorized` and `prompts` give them."""
    *_, images, captions = NODES["LoadMemorizationTestbed"]().load("eps")
    figure = Figure(figsize=(9, 3), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    grid: Any = figure.subplots(2, 8)
    for axes, image, caption in zip(grid.flat, images, captions.splitlines(), strict=True):
        axes.imshow(image)
        axes.set(xticks=[], yticks=[])
        axes.set_title(caption.replace(" ", "\n", 1), fontsize=9)
    figure.savefig(OUTPUT / "memorized-images.png")


def write_first_norms() -> None:
    """What the gate compares with its threshold, for both kinds of prompts, from the saved traces alone."""
    figure = Figure(figsize=(7.68, 2.8), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    for kind in PROMPTS:
        trace = json.loads((OUTPUT / f"trace_{kind}_no-mitigation.json").read_text(encoding="utf-8"))
        norms = [norm / run["elements"] ** 0.5 for run in trace["runs"] for norm in run["guidance_norm"][0]]
        axes.hist(norms, bins=50, range=(0, 0.025), label=f"{kind} prompts")
    axes.axvline(GATE, color="black", linestyle="--", label=f"memorization_threshold {GATE:g}")
    axes.set(xlabel="guidance norm of the first step (RMS)", ylabel="pictures")
    axes.legend()
    figure.savefig(OUTPUT / "first-norms.png")


def file_name(name: str) -> str:
    return re.sub(r"\W+", "-", name)
