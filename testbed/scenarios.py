"""Other causes of memorization: the same exact denoiser, of other pictures with another prior.

A small data set, class labels, duplicated items and trigger words are the scenarios 1 to 4 of the paper's section 6,
each with its cause and no other one.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from .captions import MEMORIZED_CAPTIONS, ORDINARY_CAPTIONS, TITLES
from .distribution import LAYOUTS, Pictures, render_pictures, render_singles
from .prior import TITLE_EXPONENT, TITLE_HALF, described, mean_words, mixture, one_of

SINGLES = 4  # pictures of every pair of colour and shape that stood in the training set once
KEPT = 20  # a training picture of a class is as probable as this many of those that the model makes of the class
COPIES = torch.tensor([1.0, 2, 5, 10, 20, 50, 100, 200]).repeat_interleave(2)  # in the order of TITLES
USUAL = 50  # so often seen, a caption is its picture to 0.88


@dataclass(frozen=True)
class Scenario:
    """What a closed-form variant has learned.

    pictures   of the training set, memorized ones first
    captions   of the memorized ones, in their order
    log_prior  embeddings [batch, tokens, words] -> [batch, components] log prior probabilities
    """

    pictures: Pictures
    captions: tuple[str, ...]
    log_prior: Callable[[Tensor], Tensor]


def small_data_set(context: Tensor) -> Tensor:
    """Nothing but 96 single pictures: the caption's own, else another with its object, else any."""
    title, colour, shape = mean_words(context)
    titled = one_of((3 * title[:, :SINGLES]) ** TITLE_EXPONENT / TITLE_HALF)
    follows, pair = described(colour, shape)
    others = (1 - titled.sum(1, keepdim=True)) * (follows * pair + (1 - follows) / pair.shape[1]) / SINGLES
    return (titled[:, :, None] * pair[:, None, :] + others[:, None, :]).flatten(1).log()


def class_labels(context: Tensor) -> Tensor:
    """A class is to about a fifth its four training pictures, else what the model makes of them: its object elsewhere.

    The empty prompt is the mean of all classes. KEPT is such that CFG copies often, but not always.
    """
    _, colour, shape = mean_words(context)
    follows, pair = described(colour, shape)
    kept = follows * SINGLES * KEPT / (SINGLES * KEPT + LAYOUTS)
    return mixture((kept * pair / SINGLES).repeat(1, SINGLES), (follows - kept) / (1 - kept), pair, KEPT)


def duplicated_items(context: Tensor) -> Tensor:
    """The prior of eps with every picture's own number of copies: the odds of its caption grow with them."""
    title, colour, shape = mean_words(context)
    copies = COPIES.to(title)
    odds = (3 * title) ** TITLE_EXPONENT / TITLE_HALF * (copies / USUAL)
    return mixture(one_of(odds), *described(colour, shape), copies)


def trigger_words(context: Tensor) -> Tensor:
    """A title is its picture to 0.88 whatever stands beside it; the picture stood in the training set once."""
    title = context.float().amax(dim=1)[:, : len(TITLES)]
    _, colour, shape = mean_words(context)
    return mixture(one_of(title / TITLE_HALF), *described(colour, shape), 1)


def _titled(prior: Callable[[Tensor], Tensor]) -> Callable[[], Scenario]:
    return lambda: Scenario(render_pictures(), MEMORIZED_CAPTIONS, prior)


def _small_data_set() -> Scenario:
    captions = [f"{title} {caption}" for title in TITLES[:SINGLES] for caption in ORDINARY_CAPTIONS]
    return Scenario(render_singles(SINGLES), tuple(captions), small_data_set)


def _class_labels() -> Scenario:
    singles, ordinary = render_singles(SINGLES), (part[len(TITLES) :] for part in vars(render_pictures()).values())
    pictures = map(torch.cat, zip(vars(singles).values(), ordinary, strict=True))
    return Scenario(Pictures(*pictures), ORDINARY_CAPTIONS * SINGLES, class_labels)


SCENARIOS = {
    "small data set": _small_data_set,
    "class labels": _class_labels,
    "duplicated items": _titled(duplicated_items),
    "trigger words": _titled(trigger_words),
}
