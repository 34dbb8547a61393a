"""Methods of the field that optimise the prompt's embedding before sampling, as rows of the tables."""

from dataclasses import replace

import torch

from ...nodes.mitigate_embedding import move
from ..methods import Method, Setup


def moved(target: float, one_for_all: bool = True, rate: float = 0.05, iterations: int = 10) -> Method:
    """Wen et al.: Mitigate Prompt Embedding, on the start noises of the pictures; `target` in RMS."""
    how = one_for_all, rate, iterations

    def change(setup: Setup) -> Setup:
        latent = {"samples": torch.zeros_like(setup.noise)}
        run = setup.model, setup.positive, setup.negative, latent, setup.noise, setup.seeds[0]
        return replace(setup, positive=move(*run, target, *how)[0])

    name = f"embedding to {target:g}{', each image its own' * (not one_for_all)}"
    if (rate, iterations) != (0.05, 10):
        name += f", {iterations} x {rate:g}"
    return Method(name, change, ("moved embedding", target, *how))


MOVED = [
    *(moved(target) for target in (0.0117, 0.0078, 0.0055, 0.0039, 0.0028)),
    *(moved(target, one_for_all=False) for target in (0.0055, 0.0039)),
    moved(0.0039, rate=0.02, iterations=50),
]
