"""Memorized or not, by the guidance norm of the first steps (Wen et al.; the limitations of Jain et al.)."""

import torch
from torch import Tensor

PERCENTILE = 0.99  # 1 % false positives


def score(norms: Tensor) -> float:
    """Wen et al.'s metric: the mean guidance norm over steps and starts. norms [steps, starts] in RMS."""
    return norms.mean().item()


def calibrated_threshold(norms: list[Tensor]) -> float:
    """The 99th percentile over the starts of ordinary prompts, each start by its mean over the steps.

    norms: [steps, starts] in RMS for each prompt. One start in a hundred of such prompts lies above it.
    """
    starts = torch.cat([prompt.mean(0) for prompt in norms])
    return torch.quantile(starts, PERCENTILE).item()
