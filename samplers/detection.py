"""Memorized or not, by a score of every start: Wen et al.'s guidance norm, or another one."""

import torch
from torch import Tensor

PERCENTILE = 0.99  # 1 % false positives


def score(values: Tensor) -> float:
    """Of a prompt: the mean over its starts, values [starts]."""
    return values.mean().item()


def calibrated_threshold(values: list[Tensor]) -> float:
    """The 99th percentile over the starts of ordinary prompts, values [starts] for each prompt.

    One start in a hundred of such prompts lies above it.
    """
    return torch.quantile(torch.cat(values), PERCENTILE).item()
