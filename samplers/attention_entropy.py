"""Attention entropy (Ren et al., ECCV 2024, their detection after one step).

A memorized prompt spreads the cross-attention of the first step over more tokens:

    A_j = attention to token j, mean over heads and pixels, in the fourth layer
    H = -sum over j of A_j log A_j

The fourth layer in the network's order: down_blocks.1.attentions.1 of Stable Diffusion 1.x. On harder negatives than
the paper's it is weak: 11.6 % of memorized prompts at 1 % false alarms (the first norm 89.6 %).

Other than in the released code: divided by its largest value, the logarithm of the number of tokens, which makes it 0
to 1 for any text encoder.
"""

import math

import torch
from torch import Tensor

from .attention import probabilities

LAYER = 3  # counted from 0


def entropy(q: Tensor, k: Tensor, heads: int) -> Tensor:
    """H of every row over its largest value: [rows] float32. q [rows, pixels, channels], k [rows, tokens, channels]."""
    attention = probabilities(q, k, heads).mean(1)
    return torch.special.entr(attention).sum(1) / math.log(k.shape[1])
