"""The learned variant's text encoder: words to a [tokens, WIDTH] conditioning, in the manner of CLIP.

A prompt becomes rows of LENGTH tokens: begin, up to LENGTH - 2 words, and end tokens to the end of the row. One layer
of causal attention lets a token know those before it, so that begin says nothing and the end tokens sum the prompt up.
"""

import zlib

import torch
from torch import Tensor, nn

from .captions import WORDS

LENGTH = 12
WIDTH = 64
HEADS = 4
FILLERS = 32  # tokens for words that it was not taught: a word always gets the same one
BEGIN, END = len(WORDS) + FILLERS, len(WORDS) + FILLERS + 1


def token_ids(prompt_words: list[str]) -> Tensor:
    """[rows, LENGTH] indices; no word is left out, a long prompt gets more rows."""
    ids = [WORDS.index(word) if word in WORDS else filler(word) for word in prompt_words]
    room = LENGTH - 2
    rows = [ids[start : start + room] for start in range(0, max(len(ids), 1), room)]
    return torch.tensor([[BEGIN, *row] + [END] * (LENGTH - 1 - len(row)) for row in rows])


def filler(word: str) -> int:
    return len(WORDS) + zlib.crc32(word.encode()) % FILLERS


class PromptEncoder(nn.Module):
    """[rows, LENGTH] token indices -> [rows, LENGTH, WIDTH]."""

    def __init__(self):
        super().__init__()
        self.token = nn.Embedding(len(WORDS) + FILLERS + 2, WIDTH)
        self.position = nn.Embedding(LENGTH, WIDTH)
        self.norm_attention, self.norm_mlp, self.norm_out = (nn.LayerNorm(WIDTH) for _ in range(3))
        self.qkv, self.attention_out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.mlp = nn.Sequential(nn.Linear(WIDTH, 2 * WIDTH), nn.GELU(), nn.Linear(2 * WIDTH, WIDTH))

    def forward(self, ids: Tensor) -> Tensor:
        x = self.token(ids) + self.position.weight
        heads = self.qkv(self.norm_attention(x)).unflatten(-1, (3 * HEADS, -1)).transpose(1, 2)
        attention = nn.functional.scaled_dot_product_attention(*heads.chunk(3, dim=1), is_causal=True)
        x = x + self.attention_out(attention.transpose(1, 2).flatten(2))
        x = x + self.mlp(self.norm_mlp(x))
        return self.norm_out(x)
