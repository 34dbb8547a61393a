"""Methods of the field that search for a start noise by gradients, as rows of the tables."""

from dataclasses import replace
from typing import Any

import torch

from ...nodes import NODE_CLASS_MAPPINGS as NODES
from ..methods import Method, Setup


class Given:
    """The start noise of a Setup as a NOISE."""

    def __init__(self, setup: Setup):
        self.noise, self.seed = setup.noise, setup.seeds[0]

    def generate_noise(self, latent: dict) -> torch.Tensor:
        return self.noise


def found(name: str, key: str, widgets: dict[str, Any]) -> Method:
    """A start noise that the node `key` finds, start by start."""

    def change(setup: Setup) -> Setup:
        node = NODES[key]()
        noise, _ = getattr(node, node.FUNCTION)(
            model=setup.model,
            positive=setup.positive,
            negative=setup.negative,
            noise=Given(setup),
            sigmas=setup.sigmas,
            latent_image={"samples": torch.zeros_like(setup.noise)},
            **widgets,
        )
        return replace(setup, noise=noise.found)

    return Method(name, change, (key, widgets))


def per_sample(target: float, rate: float = 0.01, updates: int = 100, keep_length: bool = False) -> Method:
    """Han et al.: Adjust Initial Noise (per sample)."""
    widgets = {"target": target, "learning_rate": rate, "max_iterations": updates, "keep_length": keep_length}
    name = f"per-sample to {target:g}, {rate:g} x {updates}{', length kept' * keep_length}"
    return found(name, "AdjustInitialNoisePerSample", widgets)


def sharpness_aware(threshold: float, updates: int = 10, candidates: int = 8) -> Method:
    """Jeon et al.: Sharpness-Aware Initial Noise."""
    widgets = {"threshold": threshold, "max_iterations": updates, "candidates": candidates}
    released = {"alpha": 0.05, "step": 0.0078, "learning_rate": 0.05}
    name = f"SAIL to {threshold:g}, {updates} x {candidates}"
    return found(name, "SharpnessAwareInitialNoise", widgets | released)


PER_SAMPLE = [
    per_sample(0.0117),
    per_sample(0.007, 0.05),
    per_sample(0.007, 0.05, keep_length=True),
]
SHARPNESS_AWARE = [sharpness_aware(threshold) for threshold in (0.055, 0.06, 0.064)]
