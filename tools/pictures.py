"""`make pictures`: what the sweep and the estimate show on the testbed, for their help pages.

Sweep: "aurora red circle", seed 0, Euler, 50 steps, guidance 7.5. Estimate: eight memorized captions, seeds 0 to 7,
eight start noises each, zero guidance throughout.
"""

import comfy.utils
import torch

from ..benchmarks.measure import MEMORIZED_CAPTIONS, NODES, WIDGETS, GuidanceTrace, encode, measure
from ..nodes.preview import to_picture
from .pack import ROOT

DOCS = ROOT / "web" / "docs"
SWEEP_WIDGETS = ("steps", "cfg", "sampler_name", "scheduler", "before_transition", "opposite_scale")


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
    for name, image in {"transition-sweep": sweep_picture(), "static-point": estimate_picture()}.items():
        to_picture(image).save(DOCS / f"{name}.png", optimize=True)
