"""Judged pictures, and their figures of merit with intervals."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from .statistics import RESAMPLES, diversity, mean, with_interval

Figures = dict[str, tuple[float, float, float]]  # name: value, and its 95 % interval


@dataclass(frozen=True)
class Judged:
    """Pictures of some captions, the same number of each; every field is [captions, starts, ...].

    similarity  to the caption's memorized image; of an ordinary caption, to the nearest of all
    copied      whether that makes it a copy
    alignment   share of colour and shape that is right
    """

    samples: Tensor
    similarity: np.ndarray
    copied: np.ndarray
    alignment: np.ndarray

    def figure(self, statistic: Callable[[np.ndarray], float], resamples: int) -> tuple[float, float, float]:
        """With its interval, a statistic of the pictures with these indices, counted through the captions."""
        return with_interval(statistic, self.copied.shape, resamples)

    def merit(self, resamples: int = RESAMPLES) -> Figures:
        similarity, copied, alignment = (values.ravel() for values in (self.similarity, self.copied, self.alignment))
        measures: dict[str, Callable[[np.ndarray], float]] = {
            "similarity 95pc": lambda i: float(np.percentile(similarity[i], 95)),
            "similarity mean": lambda i: mean(similarity[i]),
            "copied": lambda i: mean(copied[i]),
            "alignment": lambda i: mean(alignment[i]),
            "alignment of escaped": lambda i: mean(alignment[i][~copied[i]]),
        }
        return {name: self.figure(measure, resamples) for name, measure in measures.items()}

    def spread(self, resamples: int = RESAMPLES) -> Figures:
        """The diversity of the starts of a caption, where there are several."""
        if self.samples.shape[1] < 2:
            return {}
        spread = np.array([diversity(pictures) for pictures in self.samples])
        return {"diversity": with_interval(lambda i: mean(spread[i]), (len(spread), 1), resamples)}


def judge(bed: Any, captions: Sequence[str], samples: Sequence[Tensor]) -> Judged:
    """samples: [starts, *latent] of every caption, as the testbed `bed` judges them."""
    similarity, alignment = (
        torch.stack([measure(pictures, caption) for pictures, caption in zip(samples, captions, strict=True)]).numpy()
        for measure in (bed.similarity, bed.alignment)
    )
    return Judged(torch.stack(list(samples)), similarity, similarity > bed.copy_threshold, alignment)
