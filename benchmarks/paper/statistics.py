"""Figures of merit of pictures and of decisions, and how sure they are."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

RESAMPLES = 1000


def interval(statistic: Callable[[np.ndarray], float], captions: int, starts: int, resamples: int = RESAMPLES):
    """Bootstrap 95 % interval of a statistic of a table [captions, starts], seeded: (low, high).

    Captions are drawn with replacement, and of every drawn one its starts. `statistic` is called with the
    indices of the drawn starts in the flattened table; draws for which it is NaN do not count.
    """
    random = np.random.default_rng(0)
    values = []
    for _ in range(resamples):
        caption = random.integers(captions, size=(captions, 1))
        values.append(statistic((caption * starts + random.integers(starts, size=(captions, starts))).ravel()))
    values = np.array(values, dtype=float)
    values = values[~np.isnan(values)]
    return tuple(np.percentile(values, (2.5, 97.5)).tolist()) if len(values) else (np.nan, np.nan)


def mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else float("nan")


def features(pictures: Tensor) -> np.ndarray:
    """Where a picture is how bright in which colour, 2x2x3: [n, 3, h, w] -> [n, 12]. Layouts differ in it."""
    return torch.nn.functional.adaptive_avg_pool2d(pictures.float(), 2).flatten(1).double().numpy()


def frechet_distance(one: np.ndarray, other: np.ndarray) -> float:
    """Between normal distributions fitted to two sets of features [n, d] (Heusel et al., without the network)."""
    cov_one, cov_other = np.cov(one, rowvar=False), np.cov(other, rowvar=False)
    root = np.sqrt(np.clip(np.linalg.eigvals(cov_one @ cov_other).real, 0, None)).sum()
    return float(((one.mean(0) - other.mean(0)) ** 2).sum() + np.trace(cov_one) + np.trace(cov_other) - 2 * root)


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
