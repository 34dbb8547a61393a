"""Smoothed attention with reinforced content (Joo, Kim, Han et al., 2026). Experimental: known from an abstract.

*Rethinking Memorization Mitigation in Diffusion Models: Reinforcing Text Conditioning* (arXiv 2610.01723): spread the
cross-attention out, so that no place looks at the prompt by itself, then let the words count more and the padding less.
In every layer and step, per row and head, with a = softmax(q k^T / sqrt(dim)), [pixels, tokens]:

    a[:, j] = sum over pixels of G a[:, j]       G Gaussian over the layer's grid of pixels
    a[:, j] = (1 + r) a[:, j]                    j a word
    a[:, j] = (1 - p) a[:, j]                    j padding
    out     = a v

Published is that order: Gaussian smoothing, then words reinforced and padding attenuated, on SD 1.4 and 2.0, without
further model calls. Reconstructed here, each of them a guess: smoothing over pixels and not over tokens, its width in
pixels of each layer, all layers and steps, constant gains, rows that are not brought back to a sum of 1, begin and end
tokens left as they are, and conditional rows alone.

All of it is linear in a, so that the host may attend: the gains stand in the values, G acts on what comes out.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from .attention import as_grid


def gains(lengths: Sequence[int], tokens: int, reinforce: float, attenuate: float) -> Tensor:
    """1 + r of words, 1 - p of padding and 1 of begin and end: [tokens].

    lengths  of the blocks of a prompt, begin and end tokens counted
    tokens   of all blocks
    """
    found = []
    for length in lengths:
        place = torch.arange(tokens // len(lengths))
        word, padding = (place > 0) & (place < length - 1), place >= length
        found.append(1 + reinforce * word.float() - attenuate * padding.float())
    return torch.cat(found)


def gaussian(size: int, width: float) -> Tensor:
    """Weights of every place in that of another along an axis, [size, size]; those inside of the grid sum to 1."""
    place = torch.arange(size, dtype=torch.float32)
    return (-(place[:, None] - place).square() / (2 * width**2)).softmax(1)


def smoothed(out: Tensor, shape: Sequence[int], width: float) -> Tensor:
    """G out, where out [rows, pixels, channels] is of a layer of a network whose input has this shape [..., h, w]."""
    grid = as_grid(out.float(), *shape[-2:])
    down, across = (gaussian(size, width).to(out.device) for size in grid.shape[1:3])
    return torch.einsum("ij,kl,rjlc->rikc", down, across, grid).flatten(1, 2).to(out.dtype)
