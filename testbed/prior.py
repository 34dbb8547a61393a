"""How probable a prompt makes each picture: a smooth function of the prompt's embedding.

The three weights are chosen so that the full caption of a memorized image leaves 0.88 to that image, 0.10 to
ordinary pictures with its attributes and 0.02 to everything (wrong captions exist), and that an ordinary caption
leaves 0.98 to its pictures and 0.02 to everything. In between, a diluted prompt says less.
"""

import math

import torch
from torch import Tensor

from .captions import COLOURS, TITLES
from .distribution import DUPLICATES, LAYOUTS

TITLE_EXPONENT = 4
TITLE_HALF = 0.12 / 0.88
# Odds of attributes against everything: 0.98 to 0.02 when the whole prompt is colour and shape, 0.10 to 0.02
# when two of three words are.
ATTRIBUTE_ODDS = 0.98 / 0.02
ATTRIBUTE_EXPONENT = math.log(ATTRIBUTE_ODDS / (0.10 / 0.02)) / math.log(3 / 2)
UNNAMED = 1e-6  # what a colour or shape that is not named counts beside one that is


def log_prior(context: Tensor) -> Tensor:
    """[batch, tokens, words] embeddings -> [batch, components] log prior probabilities."""
    title, colour, shape = mean_words(context)
    return mixture(one_of((3 * title) ** TITLE_EXPONENT / TITLE_HALF), *described(colour, shape), DUPLICATES)


def mean_words(context: Tensor, titles: int = len(TITLES), colours: int = len(COLOURS)) -> tuple[Tensor, ...]:
    """How much of a prompt each title, colour and shape is: [batch, titles], [batch, colours], [batch, shapes].

    Where a node put noise on the embedding, less than nothing of a word counts as nothing.
    """
    shares = context.float().mean(dim=1).clamp_min(0)
    return shares.tensor_split((titles, titles + colours), dim=1)


def one_of(odds: Tensor) -> Tensor:
    """Probabilities of things with these odds against none of them: [batch, n]."""
    return odds / (1 + odds.sum(1, keepdim=True))


def described(colour: Tensor, shape: Tensor) -> tuple[Tensor, Tensor]:
    """Whether pictures follow the description, [batch, 1], and which of the pairs they show, [batch, pairs]."""
    named = colour.sum(1, keepdim=True) + shape.sum(1, keepdim=True)
    odds = ATTRIBUTE_ODDS * named**ATTRIBUTE_EXPONENT
    return odds / (1 + odds), (_share(colour)[:, :, None] * _share(shape)[:, None, :]).flatten(1)


def mixture(memorized: Tensor, follows: Tensor, pair: Tensor, copies: float | Tensor, layouts: int = LAYOUTS) -> Tensor:
    """Log probabilities of memorized pictures and ordinary ones, [batch, memorized + layouts * pairs].

    memorized  [batch, memorized]: the prompt means this picture; otherwise a described one, or any at all
    copies     of each memorized picture in the training set, where an ordinary one stands once
    """
    rest = 1 - memorized.sum(1, keepdim=True)
    pictures = (torch.ones_like(memorized[0]) * copies).sum() + layouts * pair.shape[1]
    anything = rest * (1 - follows) / pictures
    ordinary = rest * follows * pair / layouts + anything
    return torch.cat([memorized + anything * copies, ordinary.repeat(1, layouts)], dim=1).log()


def _share(word: Tensor) -> Tensor:
    return (word + UNNAMED) / (word + UNNAMED).sum(1, keepdim=True)
