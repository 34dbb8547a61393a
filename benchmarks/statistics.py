"""Figures of merit of pictures and of decisions, and how sure they are."""

from collections.abc import Callable
from functools import cache

import numpy as np
import torch
from torch import Tensor

RESAMPLES = 400  # at most


def interval(
    statistic: Callable[[np.ndarray], float], captions: int, starts: int, resamples: int
) -> tuple[float, float]:
    """Bootstrap 95 % interval of a statistic of a table [captions, starts], seeded: (low, high).

    `statistic` is called with the indices of the drawn starts in the flattened table; draws for which it is NaN
    do not count.
    """
    return _middle([statistic(draw) for draw in _draws(captions, starts)[:resamples]])


def with_interval(
    statistic: Callable[[np.ndarray], float], shape: tuple[int, ...], resamples: int
) -> tuple[float, float, float]:
    """The statistic of a whole table of this shape, and its interval: (value, low, high)."""
    captions, starts = shape
    return statistic(np.arange(captions * starts)), *interval(statistic, captions, starts, resamples)


def interval_of_two(
    statistic: Callable[[np.ndarray, np.ndarray], float], one: np.ndarray, other: np.ndarray, resamples: int
) -> tuple[float, float]:
    """The same for a statistic of the drawn values of two tables [captions, starts], each drawn by itself."""
    pairs = zip(_draws(*one.shape)[:resamples], _draws(*other.shape)[::-1][:resamples], strict=True)
    return _middle([statistic(one.ravel()[i], other.ravel()[j]) for i, j in pairs])


def jackknife(statistic: Callable[[np.ndarray], float], captions: int, starts: int) -> tuple[float, float]:
    """95 % interval of a statistic of a table [captions, starts] that counts double what is drawn twice: (low, high).

    The statistic, two standard errors to either side; these are from leaving out one caption after the other.
    """
    index = np.arange(captions * starts).reshape(captions, starts)
    without = np.array([statistic(np.delete(index, caption, 0).ravel()) for caption in range(captions)])
    error = np.sqrt((captions - 1) * without.var())
    middle = statistic(index.ravel())
    return middle - 2 * error, middle + 2 * error


@cache
def _draws(captions: int, starts: int) -> np.ndarray:
    """Captions with replacement, and of every drawn one its starts with replacement: [draws, captions * starts]."""
    random = np.random.default_rng(0)
    caption = random.integers(captions, size=(RESAMPLES, captions, 1))
    start = random.integers(starts, size=(RESAMPLES, captions, starts))
    return (caption * starts + start).reshape(RESAMPLES, -1)


def _middle(values: list[float]) -> tuple[float, float]:
    known = np.array(values, dtype=float)
    known = known[~np.isnan(known)]
    low, high = np.percentile(known, (2.5, 97.5)) if len(known) else (np.nan, np.nan)
    return float(low), float(high)


def mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else float("nan")


def features(pictures: Tensor) -> np.ndarray:
    """Where a picture is how bright in which colour, 2x2x3: [n, 3, h, w] -> [n, 12]. Layouts differ in it."""
    return torch.nn.functional.adaptive_avg_pool2d(pictures.float(), 2).flatten(1).double().numpy()


def moments(sample: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean [d] and covariance [d, d] of features [n, d]."""
    return sample.mean(0), np.cov(sample, rowvar=False)


def frechet_distance(one: tuple[np.ndarray, np.ndarray], other: tuple[np.ndarray, np.ndarray]) -> float:
    """Between normal distributions with these moments (Heusel et al., without their network)."""
    root = np.sqrt(np.clip(np.linalg.eigvals(one[1] @ other[1]).real, 0, None)).sum()
    return float(((one[0] - other[0]) ** 2).sum() + np.trace(one[1]) + np.trace(other[1]) - 2 * root)


def diversity(pictures: Tensor) -> float:
    """1 minus the mean correlation of the pairs among [n, ...] pictures of one caption."""
    centred = pictures.float().flatten(1)
    correlation = torch.corrcoef(centred)
    pairs = torch.triu_indices(len(correlation), len(correlation), 1)
    return 1 - correlation[pairs[0], pairs[1]].mean().item()


def auc(positive: np.ndarray, negative: np.ndarray) -> float:
    """Area under the ROC curve: how often a positive score is above a negative one, ties by half."""
    difference = positive[:, None] - negative[None]
    return float((difference > 0).mean() + (difference == 0).mean() / 2)


def tpr_at_fpr(positive: np.ndarray, negative: np.ndarray, fpr: float = 0.01) -> float:
    """Share of positive scores above the threshold that at most this share of negative ones exceeds."""
    threshold = np.sort(negative)[::-1][int(fpr * len(negative))]
    return float((positive > threshold).mean())
