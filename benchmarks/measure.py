"""A testbed (the closed form, if none is named) under the pack's guider, by its widgets: what the demo prints and the
tests assert.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import comfy.sample
import torch
from torch import Tensor

from ..samplers.guidance import rms
from ..samplers.settings import Settings
from ..samplers.trace import GuidanceTrace, RunTrace
from ..testbed.captions import MEMORIZED_CAPTIONS, ORDINARY_CAPTIONS
from ..testbed.judge import similarity
from .harness import Sampling, sample
from .judged import Judged, judge
from .methods import guided
from .testbeds import MEMORIZED, NODES, PICTURES, encode, testbed

__all__ = [
    "MEMORIZED",
    "MEMORIZED_CAPTIONS",
    "NODES",
    "ORDINARY_CAPTIONS",
    "PICTURES",
    "WIDGETS",
    "GuidanceTrace",
    "Measurement",
    "count_calls",
    "encode",
    "measure",
    "similarity",
]

SAMPLING = {"cfg": 7.5, "steps": 50, "sampler_name": "euler", "scheduler": "normal", "denoise": 1.0}
SETTINGS = {
    "transition": "dynamic",
    "before_transition": "zero guidance",
    "opposite_scale": 2.0,
    "repulsion": 0.07,
    "static_percent": 0.5,
    "latest_percent": 0.6,
    "memorization_threshold": 0.0,
}
WIDGETS = {**SAMPLING, "skip_unused_pass": False, **SETTINGS}  # of KSampler (Basin Escape)


@dataclass(frozen=True)
class Measurement:
    """Pictures of some captions under one setting, [captions, seeds, ...].

    runs   one for each caption
    calls  model calls per picture
    """

    judged: Judged
    runs: list[RunTrace]
    calls: float

    @property
    def samples(self) -> Tensor:
        """[captions, seeds, *latent] in [-1, 1]."""
        return self.judged.samples

    @property
    def copy_rate(self) -> float:
        return float(self.judged.copied.mean())

    @property
    def mean_similarity(self) -> float:
        return float(self.judged.similarity.mean())

    @property
    def mean_alignment(self) -> float:
        return float(self.judged.alignment.mean())

    @property
    def first_norms(self) -> Tensor:
        """[pictures] guidance norm of the first step, in RMS: what the gate compares with its threshold."""
        return torch.cat([rms(run.series["guidance_norm"][0], run.elements) for run in self.runs])

    @property
    def transition_steps(self) -> Tensor:
        """Of the pictures that were not gated; -1 where CFG never began to act."""
        return torch.cat([run.transition_step[~run.gated] for run in self.runs])


def count_calls(model) -> tuple[object, Callable[[], int]]:
    """A clone of the model, and how many samples it was asked to denoise so far."""
    calls = 0

    def counting(apply_model, args):
        nonlocal calls
        calls += len(args["input"])
        return apply_model(args["input"], args["timestep"], **args["c"])

    counted = model.clone()
    counted.set_model_unet_function_wrapper(counting)
    return counted, lambda: calls


def measure(
    captions: Sequence[str],
    seeds: int,
    steps: int = 50,
    skip_unused_pass: bool = False,
    tick=lambda: None,
    name: str = "closed form eps",
    **settings,
) -> Measurement:
    """Sample `seeds` pictures of every caption, as KSampler does with the caption's number as the seed.

    name      of the testbed
    settings  override SETTINGS
    """
    bed, method = testbed(name), guided("", Settings(**{**SETTINGS, **settings}), skip_unused_pass)
    pictures, runs, calls = [], [], 0
    for seed, caption in enumerate(captions):
        noise = comfy.sample.prepare_noise(torch.zeros(seeds, *bed.latent_shape), seed)
        samples, trace, spent = sample(method, bed, caption, noise, [seed] * seeds, Sampling(steps=steps))
        pictures.append(samples)
        runs += trace.runs
        calls += spent.calls
        tick()
    return Measurement(judge(bed, captions, pictures), runs, calls / (seeds * len(captions)))
