"""The variant "scenes" as ComfyUI's MODEL and CLIP."""

from functools import partial

from comfy.model_patcher import ModelPatcher
from torch import Tensor

from ..captions import embed
from ..denoiser import VARIANTS
from ..loader import TestbedCLIP, load_model
from .captions import MEMORIZED_CAPTIONS, VOCABULARY, log_prior
from .pictures import DEVIATION, SCALE, render_scenes

SCENES = "scenes"


def load_scenes() -> tuple[ModelPatcher, TestbedCLIP, Tensor, tuple[str, ...]]:
    """Model and text encoder, the memorized pictures [16, 3, 32, 32] and their captions."""
    pictures = render_scenes()
    model = load_model(pictures, VARIANTS[0], log_prior, DEVIATION, SCALE)
    clip = TestbedCLIP(partial(embed, known=VOCABULARY.words), VOCABULARY)
    return model, clip, pictures.means[: len(MEMORIZED_CAPTIONS)], MEMORIZED_CAPTIONS
