"""What the measurements need to know of a memorizing model, the same for every testbed."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..nodes import NODE_CLASS_MAPPINGS as NODES
from ..nodes.prompts import encode
from ..testbed import learned_judge
from ..testbed.captions import MEMORIZED_CAPTIONS, SHAPES, TITLES
from ..testbed.distribution import render_pictures
from ..testbed.judge import COPY_SIMILARITY, alignment, similarity
from ..testbed.learned_pictures import render
from ..testbed.learned_variants import LEARNED
from ..testbed.scenarios import SCENARIOS
from ..testbed.scenes import captions as scene_captions
from ..testbed.scenes.loader import SCENES
from ..testbed.scenes.pictures import render_scenes
from ..testbed.vocabulary import SHAPE_WORDS
from ..tools.pack import ROOT
from .halves import (
    HELD_OUT,
    LEARNED_HELD_OUT,
    LEARNED_TUNING,
    SCENES_HELD_OUT,
    SCENES_TUNING,
    TUNING,
    Captions,
    attributes,
)

PICTURES = render_pictures()
MEMORIZED = PICTURES.means[: len(MEMORIZED_CAPTIONS)]
FIRST_SEED = 1000


class ClosedForm:
    """The exact denoiser, as eps-, v- or flow model.

    files  all that the model is made of, for names of results on disk
    """

    latent_shape = (3, 16, 16)
    copy_threshold = COPY_SIMILARITY
    tuning, held_out = TUNING, HELD_OUT
    vocabulary = SHAPE_WORDS
    pictures = PICTURES
    memorized, captions = MEMORIZED, MEMORIZED_CAPTIONS  # in the same order
    files = [ROOT / "testbed" / f"{name}.py" for name in ("captions", "denoiser", "distribution", "drawing", "prior")]

    def __init__(self, variant: str):
        self.variant = variant
        self.model, self.clip, self.vae, *_ = NODES["LoadMemorizationTestbed"]().load(variant)

    def another(self) -> Any:
        """A testbed like this one with a model of its own: what that is asked is no cost of a picture."""
        return type(self)(self.variant)

    def encode(self, caption: str) -> list:
        return encode(self.clip, caption)

    def seeds(self, caption: str, number: int) -> range:
        """Of a caption's start noises: no two captions of a testbed share one. ValueError for one in no half."""
        halves = (self.tuning.memorized, self.held_out.memorized, self.tuning.ordinary, self.held_out.ordinary)
        first = FIRST_SEED + 100 * [name for captions in halves for name in captions].index(caption)
        return range(first, first + number)

    def image(self, caption: str) -> Tensor:
        """The memorized image of a caption: [3, 16, 16]."""
        return self.memorized[self.captions.index(caption)]

    def similarity(self, samples: Tensor, caption: str) -> Tensor:
        """To the caption's memorized image; for an ordinary caption, to the nearest of all: [n, ...] -> [n]."""
        return self.nearest(samples, self.image(caption)[None] if caption in self.captions else self.memorized)

    def nearest(self, samples: Tensor, references: Tensor) -> Tensor:
        """Similarity to the nearest of the references: [n, ...], [references, ...] -> [n]."""
        return torch.stack([similarity(samples, image) for image in references]).amax(0)

    def alignment(self, samples: Tensor, caption: str) -> Tensor:
        """Share of colour and shape that is right: [n, ...] -> [n]."""
        return alignment(samples, caption, self.pictures, self.vocabulary)

    def real(self, captions: Sequence[str]) -> Tensor:
        """Ordinary training pictures with the attributes of these captions, to measure the Frechet distance to."""
        colours, shapes = self.pictures.colour, self.pictures.shape
        named = [(colours == colour) & (shapes == shape) for colour, shape in attributes(captions, self.vocabulary)]
        chosen = torch.stack(named).any(0).nonzero().flatten()
        return self.pictures.means[chosen[chosen >= len(self.memorized)]]


class Learned(ClosedForm):
    """A trained network, with pictures, judges and halves of its own."""

    copy_threshold = learned_judge.COPY_SIMILARITY
    tuning, held_out = LEARNED_TUNING, LEARNED_HELD_OUT

    def __init__(self, variant: str):
        super().__init__(variant)
        self.memorized = LEARNED[variant].memorized_pictures()
        code = (ROOT / "testbed" / name for name in ("captions.py", "network.py", "prompt_encoder.py"))
        self.files = [LEARNED[variant].weights, *code]

    def alignment(self, samples: Tensor, caption: str) -> Tensor:
        return learned_judge.alignment(samples, caption)

    def real(self, captions: Sequence[str]) -> Tensor:
        """Fresh pictures, 200 for each caption."""
        colour, shape = torch.tensor(attributes(captions)).repeat(200, 1).unbind(1)
        return render(np.random.RandomState(0), colour, shape)


class Scenario(ClosedForm):
    """One of the paper's scenarios. Nothing is chosen on them: the tuning half is empty.

    prompts  that are to copy; where they are no captions, their first word is the first word of one
    """

    tuning = Captions((), ())
    files = [*ClosedForm.files, ROOT / "testbed" / "scenarios.py"]

    def __init__(self, variant: str, prompts: Sequence[str]):
        super().__init__(variant)
        scenario = SCENARIOS[variant]()
        self.pictures, self.captions = scenario.pictures, scenario.captions
        self.memorized = self.pictures.means[: len(self.captions)]
        self.held_out = Captions(prompts, ())

    def similarity(self, samples: Tensor, caption: str) -> Tensor:
        """To the nearest memorized image of this caption, or of its first word: [n, ...] -> [n]."""
        known = caption if caption in self.captions else caption.split()[0]
        same = torch.tensor([c.startswith(known) for c in self.captions])
        return self.nearest(samples, self.memorized[same])

    def alignment(self, samples: Tensor, caption: str) -> Tensor:
        """NaN where the prompt names no object."""
        defined = caption.endswith(SHAPES)
        return super().alignment(samples, caption) if defined else torch.full((len(samples),), torch.nan)

    def real(self, captions: Sequence[str]) -> Tensor:
        """Ordinary pictures with the attributes of these captions, or whatever there is of both."""
        ordinary = self.pictures.means[len(self.captions) :]
        if not len(ordinary):
            return self.memorized
        return super().real(captions) if captions[0].endswith(SHAPES) else ordinary


class Scenes(ClosedForm):
    """Pictures that a person knows at a glance: to be looked at, in no table of the evidence."""

    latent_shape = (3, 32, 32)
    tuning, held_out = SCENES_TUNING, SCENES_HELD_OUT
    vocabulary, captions = scene_captions.VOCABULARY, scene_captions.MEMORIZED_CAPTIONS
    files = [*ClosedForm.files, *sorted((ROOT / "testbed" / "scenes").glob("*.py"))]

    def __init__(self):
        super().__init__(SCENES)
        self.pictures = render_scenes()
        self.memorized = self.pictures.means[: len(self.captions)]


TRIGGERS = TITLES[1::2]
SCENARIO_PROMPTS: dict[str, Sequence[str]] = {
    "small data set": [f"{title} {c}" for title, c in zip(TITLES[:4] * 2, HELD_OUT.ordinary, strict=False)],
    "class labels": HELD_OUT.ordinary,
    "duplicated items": HELD_OUT.memorized,
    "trigger words": [f"{t} {c.split(maxsplit=1)[1]}" for t, c in zip(TRIGGERS, TUNING.memorized, strict=True)],
    "trigger words alone": TRIGGERS,
}
TO_TUNE = {"class labels to tune": TUNING.ordinary}  # the other half of the class labels
TESTBEDS = ("closed form eps", "closed form v", "closed form flow", *LEARNED, SCENES, *SCENARIO_PROMPTS)


@cache
def testbed(name: str) -> Any:
    """One of TESTBEDS, or of TO_TUNE."""
    if name == SCENES:
        return Scenes()
    prompts = SCENARIO_PROMPTS | TO_TUNE
    if name in prompts:
        return Scenario(name.removesuffix(" alone").removesuffix(" to tune"), prompts[name])
    return Learned(name) if name.startswith("learned") else ClosedForm(name.removeprefix("closed form "))
