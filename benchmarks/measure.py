"""Run the pack's nodes on the testbed and judge the pictures: what the demo prints and the tests assert."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..nodes import NODE_CLASS_MAPPINGS
from ..samplers.guidance import rms
from ..samplers.trace import GuidanceTrace, RunTrace
from ..testbed.captions import MEMORIZED_CAPTIONS, ORDINARY_CAPTIONS
from ..testbed.distribution import render_pictures
from ..testbed.judge import COPY_SIMILARITY, alignment, similarity

__all__ = [
    "MEMORIZED",
    "MEMORIZED_CAPTIONS",
    "NODES",
    "ORDINARY_CAPTIONS",
    "PICTURES",
    "GuidanceTrace",
    "Measurement",
    "measure",
]

PICTURES = render_pictures()
MEMORIZED = PICTURES.means[: len(MEMORIZED_CAPTIONS)]
NODES = NODE_CLASS_MAPPINGS
WIDGETS = {
    "cfg": 7.5,
    "steps": 50,
    "sampler_name": "euler",
    "scheduler": "normal",
    "denoise": 1.0,
    "skip_unused_pass": False,
    "transition": "dynamic",
    "before_transition": "zero guidance",
    "opposite_scale": 2.0,
    "static_percent": 0.5,
    "latest_percent": 0.6,
    "memorization_threshold": 0.0,
}


@dataclass
class Measurement:
    """Pictures of some captions under one setting; every list has one entry per caption.

    samples     [seeds, 3, 16, 16] in [-1, 1]
    similarity  [seeds] to the memorized image of the caption; for an ordinary caption, to the nearest of all
    alignment   [seeds] share of colour and shape that is right
    calls       model calls per picture
    """

    samples: list[Tensor]
    similarity: list[Tensor]
    alignment: list[Tensor]
    runs: list[RunTrace]
    calls: float

    @property
    def copy_rate(self) -> float:
        return (torch.cat(self.similarity) > COPY_SIMILARITY).float().mean().item()

    @property
    def mean_similarity(self) -> float:
        return torch.cat(self.similarity).mean().item()

    @property
    def mean_alignment(self) -> float:
        return torch.cat(self.alignment).mean().item()

    @property
    def first_norms(self) -> Tensor:
        """[pictures] guidance norm of the first step, in RMS: what the gate compares with its threshold."""
        return torch.cat([rms(run.quantity("guidance_norm")[0], run.elements) for run in self.runs])

    @property
    def transition_steps(self) -> Tensor:
        """Of the pictures that were not gated; -1 where CFG never began to act."""
        return torch.cat([run.transition_step[~run.gated] for run in self.runs])


def encode(clip, prompt: str) -> list:
    """The conditioning of a prompt, as the stock CLIP Text Encode node makes it."""
    return clip.encode_from_tokens_scheduled(clip.tokenize(prompt))


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


def measure(captions: Sequence[str], seeds: int, variant: str = "eps", tick=lambda: None, **widgets) -> Measurement:
    """Sample `seeds` pictures of every caption with KSampler (Basin Escape); `widgets` override WIDGETS."""
    model, clip, *_ = NODES["LoadMemorizationTestbed"]().load(variant)
    model, calls = count_calls(model)
    results = Measurement([], [], [], [], 0.0)
    for seed, caption in enumerate(captions):
        latent, trace = NODES["BasinEscapeKSampler"]().sample(
            model=model,
            seed=seed,
            positive=encode(clip, caption),
            negative=encode(clip, ""),
            latent_image={"samples": torch.zeros(seeds, 3, 16, 16)},
            **{**WIDGETS, **widgets},
        )
        samples = latent["samples"]
        references = MEMORIZED
        if caption in MEMORIZED_CAPTIONS:
            references = MEMORIZED[MEMORIZED_CAPTIONS.index(caption), None]
        results.samples.append(samples)
        results.similarity.append(torch.stack([similarity(samples, image) for image in references]).amax(0))
        results.alignment.append(alignment(samples, caption, PICTURES))
        results.runs += trace.runs
        tick()
    results.calls = calls() / (seeds * len(captions))
    return results
