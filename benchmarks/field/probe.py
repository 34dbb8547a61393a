"""`make bench-probe`: does a mitigation remove a memorized picture, or hide it?

Probe Memorization (Finding DoRI) looks for an embedding that brings a training picture back, from a prompt that does
not: the caption without its title. What it finds is sampled with and without each mitigation. A picture that no model
was taught, with the same object, is probed for in the same way, to see how often such a search finds what is not there.
Held-out captions, two starts each; writes results/probe.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...nodes import NODE_CLASS_MAPPINGS as NODES
from ...testbed.learned_pictures import render
from ..comparison.plan import OURS, ZERO_DYNAMIC
from ..halves import attributes
from ..harness import Sampling, finished
from ..methods import PLAIN, Method, Setup
from ..paper import page
from ..processes import alone
from ..statistics import RESAMPLES, mean, with_interval
from ..testbeds import testbed
from .embedding import moved
from .methods import without_title

BEDS, STARTS, SAMPLING = ("learned", "learned noise"), 2, Sampling(steps=25)
STEPS, DRAWS, RATE = 50, 8, 0.1  # the paper's
CAPTION, ORDINARY, TRAINED, UNSEEN = (
    "the caption",
    "the caption without its title",
    "found for the training picture",
    "found for a picture that was not in training",
)
PROMPTS = (CAPTION, ORDINARY, TRAINED, UNSEEN)
MITIGATIONS = (PLAIN, OURS, ZERO_DYNAMIC, moved(0.0039))


def picture(bed: Any, caption: str, prompt: str) -> Tensor:
    """What a copy would be a copy of: [3, 16, 16]."""
    if prompt != UNSEEN:
        return bed.image(caption)
    random = np.random.RandomState(bed.seeds(caption, 1)[0])
    return render(random, *torch.tensor(attributes([caption])).unbind(1))[0]


@cache
def positive_of(name: str, caption: str, prompt: str) -> list:
    """The CONDITIONING of one of PROMPTS; what is spent on it is no cost of a picture."""
    bed = testbed(name).another()
    if prompt == CAPTION:
        return bed.encode(caption)
    ordinary = bed.encode(without_title(caption)[0])
    if prompt == ORDINARY:
        return ordinary
    latent = {"samples": picture(bed, caption, prompt)[None]}
    return NODES["ProbeMemorization"]().probe(
        bed.model, ordinary, latent, bed.seeds(caption, 1)[0], STEPS, DRAWS, RATE
    )[0]


def prompted(name: str, prompt: str, then: Method) -> Method:
    """A mitigation of one of PROMPTS."""

    def change(setup: Setup) -> Setup:
        return then.change(replace(setup, positive=positive_of(name, setup.caption, prompt)))

    return Method(f"{prompt}, {then.name}", change, ("probe", STEPS, DRAWS, RATE, then.settings))


def row(name: str, prompt: str, then: Method) -> dict[str, Any]:
    """How often the picture came back, and how near to it the samples are."""
    bed, method = testbed(name), prompted(name, prompt, then)
    found = []
    for caption in bed.held_out.memorized:
        samples = finished(method, name, caption, bed.seeds(caption, STARTS), SAMPLING)["samples"]
        found.append(bed.nearest(samples, picture(bed, caption, prompt)[None]))
    near = torch.stack(found).numpy()
    copied = near > bed.copy_threshold
    figures = (with_interval(lambda i, of=of: mean(of.ravel()[i]), of.shape, RESAMPLES) for of in (copied, near))
    return {"testbed": name, "prompt": prompt, "mitigation": then.name} | dict(
        zip(("copied", "similarity mean"), figures, strict=True)
    )


def rows(names: Sequence[str] = BEDS) -> list[dict[str, Any]]:
    return [row(name, prompt, then) for name in names for prompt in PROMPTS for then in MITIGATIONS]


def main() -> None:
    alone()
    found = rows()
    page.write_csv(found, page.RESULTS / "probe" / "probe.csv")
    columns = ["testbed", "prompt", "mitigation", "copied", "similarity mean"]
    page.write_json({"probe": page.markdown(found, columns)}, page.RESULTS / "probe" / "tables.json")
    page.write_page()
