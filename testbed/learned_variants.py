"""The learned variants by name: the same network and captions, taught in two ways, each with pictures of its own.

learned        taught the exact posterior mean over its training set (testbed/learned.md)
learned noise  taught the noise of one picture at a time, the ordinary diffusion loss (testbed/learned_noise.md)
"""

from dataclasses import dataclass
from pathlib import Path

from comfy.model_patcher import ModelPatcher
from torch import Tensor

from .learned_loader import WEIGHTS, load_learned
from .learned_pictures import SEED, memorized_pictures
from .loader import TestbedCLIP


@dataclass(frozen=True)
class LearnedVariant:
    """weights, as training wrote them; seed of the memorized pictures."""

    weights: Path
    seed: int

    def load(self) -> tuple[ModelPatcher, TestbedCLIP]:
        return load_learned(self.weights)

    def memorized_pictures(self) -> Tensor:
        """[16, 3, 16, 16], in the order of MEMORIZED_CAPTIONS."""
        return memorized_pictures(self.seed)


LEARNED = {
    "learned": LearnedVariant(WEIGHTS, SEED),
    "learned noise": LearnedVariant(WEIGHTS.with_name("learned_noise.safetensors"), 20261),
}
