"""The bright ending (Chen et al., ICLR 2025).

*Exploring Local Memorization in Diffusion Models via Bright Ending Attention*: in the last step, pixels of a memorized
region look at the first end token, which has read the whole prompt:

    mask(p) = attention of pixel p to the first end token      mean over heads, then over the finest down layers

Of Stable Diffusion 1.x these are the two layers at 64 x 64. Other than in the released code: the last step is that of a
finished picture with fresh noise; in a long prompt the end token is that of the last block; the layers are the finest
of the model's down blocks, whatever their size: 64 x 64 for SDXL at 1024 pixels. The mask's values are probabilities,
without a threshold.
"""

from collections.abc import Sequence

from torch import Tensor

from .attention import probabilities


def end_token(lengths: Sequence[int], block: int) -> int:
    """Place of the first end token of a prompt's last block; `lengths` of its blocks, which are `block` tokens each."""
    return (len(lengths) - 1) * block + lengths[-1] - 1


def token_attention(q: Tensor, k: Tensor, heads: int, token: int) -> Tensor:
    """How much every pixel looks at one token: [rows, pixels] float32, mean over heads.

    q [rows, pixels, channels], k [rows, tokens, channels]
    """
    return probabilities(q, k, heads)[:, :, token]
