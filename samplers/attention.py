"""Cross-attention in numbers, for the methods that work on it.

Keys and values are those of the host's attention layers, [rows, tokens, channels]: a row is a sample under one
conditioning, and its channels are those of all heads side by side. A token's logit is linear in its key, so what scales
a key scales the logits of all pixels with it, and what comes after (softmax, values) can be left to the host.
"""

from torch import Tensor

SAME = 1e-3  # relative: keys of the same token differ by rounding only


def heads_apart(values: Tensor, heads: int) -> Tensor:
    """[rows, n, heads * dim] -> [rows, heads, n, dim]."""
    return values.unflatten(2, (heads, -1)).transpose(1, 2)


def logits(q: Tensor, k: Tensor, heads: int) -> Tensor:
    """q k^T / sqrt(dim) of queries [rows, pixels, channels] and keys: [rows, heads, pixels, tokens], float32."""
    q, k = heads_apart(q.float(), heads), heads_apart(k.float(), heads)
    return q @ k.transpose(2, 3) / q.shape[3] ** 0.5


def probabilities(q: Tensor, k: Tensor, heads: int) -> Tensor:
    """The attention of every pixel to every token, mean over heads: [rows, pixels, tokens], float32."""
    return logits(q, k, heads).softmax(3).mean(1)


def begin_tokens(k: Tensor) -> Tensor:
    """Where a block of the prompt begins: [rows, tokens].

    The text encoder is causal, so a begin token knows of nothing else and has the same key wherever it stands: at the
    head of every block of 77 tokens, and of the copies by which the host makes a short prompt as long as another.
    """
    first = k[:, :1]
    return (k - first).float().norm(dim=2) <= SAME * first.float().norm(dim=2)


def as_grid(values: Tensor, height: int, width: int) -> Tensor:
    """[rows, pixels] of a layer as [rows, h, w], where the model's input is height x width."""
    h, w = height, width
    while h * w > values.shape[1]:  # the network halves sizes, rounding up
        h, w = (h + 1) // 2, (w + 1) // 2
    return values.unflatten(1, (h, w))
