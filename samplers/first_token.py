"""Mitigation in the cross-attention (Ren et al., ECCV 2024).

*Unveiling and Mitigating Memorization in Text-to-image Diffusion Models through Cross Attention*. In every layer and
step, with L the number of real tokens (begin and end among them):

    a = q k^T / sqrt(dim)
    a[:, j] = -inf      for j >= L      the padding is masked; as an option, the end token too
    a[:, 0] = c a[:, 0]                 c = 1.25: the begin token takes attention from all others
    out = softmax(a) v

A memorized prompt's copy hangs on the tokens after the words, which sum it up; the begin token says nothing.

Other than in the released code: the keys are scaled, which is the same (attention.py); the padding is left out of the
prompt, so that softmax never sees it, and not out of the negative one, which there loses as many columns; every block
of a long prompt has its own begin token and padding; the host says which rows follow the prompt, not their parity. As
there, a negative logit of the begin token becomes smaller.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from .attention import begin_tokens


def scale_first_token(k: Tensor, scale: float) -> Tensor:
    """Keys [rows, tokens, channels] with which the begin tokens' logits are `scale` times what they were."""
    return torch.where(begin_tokens(k)[:, :, None], k * scale, k)


def without_padding(cond: Tensor, lengths: Sequence[int], end_token: bool = True) -> Tensor:
    """The conditioning [batch, blocks * tokens, dim] cut down to the real tokens of every block.

    lengths    of every block, begin and end tokens counted
    end_token  whether to leave it
    """
    blocks = cond.unflatten(1, (len(lengths), -1)).unbind(1)
    kept = [block[:, : length - (not end_token)] for block, length in zip(blocks, lengths, strict=True)]
    return torch.cat(kept, dim=1)
