"""The padding behind a prompt, made harmless (Kim & No, Memorization in Stable Diffusion Is Unexpectedly Driven by CLIP
Embeddings, CVPR 2026 Findings).

SD1.x pads a prompt to 77 tokens by repeating the end token, whose thirty and more near-copies drive the copy. With e
the first end token of a block and n = L - 1 - e the pads behind it:

    repad                  (A)  encode with "!" in the place of every token behind e
    repad, end token off   (B)  A, then the embedding of e is zero: the paper's main variant
    mask pads              (C)  the ordinary encoding, in which the first floor(r n) pads behind e are zero; r = 0.7

A longer prompt has an end token and pads in each block, and each is treated. The pooled vector stays as it is: no pad
reaches it. Deviations from the released code: that changes the pipeline's tokenizer, so that the empty prompt is padded
anew as well, which is a second output here; and it knows one block.

A token is (index, weight, ...), as ComfyUI's tokenizers give them; an embedding stands for the index where one is used.
"""

from collections.abc import Sequence
from math import floor

import torch
from torch import Tensor

OFF, REPAD, NO_END, MASK = "off", "repad", "repad, end token off", "mask pads"
MODES = (NO_END, REPAD, MASK, OFF)
Block = Sequence[tuple]


def first_end(block: Block, end: int) -> int:
    """e; the length of a block without an end token."""
    return next((i for i, (token, *_) in enumerate(block) if isinstance(token, int) and token == end), len(block))


def repad(block: Block, end: int, pad: int) -> list[tuple]:
    """The block with another token behind e."""
    e = first_end(block, end)
    return [*block[: e + 1], *((pad, 1.0, *rest) for _, _, *rest in block[e + 1 :])]


def silent(blocks: Sequence[Block], end: int, mode: str, share: float) -> Tensor:
    """Which tokens of a prompt's embedding are to be zero: [tokens of all blocks]."""
    found = []
    for block in blocks:
        e, place = first_end(block, end), torch.arange(len(block))
        masked = floor(share * (len(block) - 1 - e)) if mode == MASK else 0
        found.append((place == e) if mode == NO_END else (place > e) & (place <= e + masked))
    return torch.cat(found)


def without(cond: Tensor, tokens: Tensor) -> Tensor:
    """cond [1, tokens, dim] with zeros for these tokens [tokens]."""
    return torch.where(tokens.to(cond.device)[None, :, None], 0, cond)
