"""Many static transition points from one start noise: the grids of Figures 2, 4, 5 and 13 (Jain et al.)."""

from dataclasses import replace

import torch

from .trace import RunTrace


def spread(points: int, first: float, last: float) -> list[float]:
    """`points` (two or more) percents from `first` to `last`, both included, at equal distances.

    Raises ValueError for a range that does not rise.
    """
    if not first < last:
        raise ValueError(
            f"first_percent is {first:g} and last_percent {last:g}: the sweep goes from an earlier to a later "
            "transition point. Set last_percent above first_percent."
        )
    return torch.linspace(first, last, points, dtype=torch.float64).tolist()


def side_by_side(runs: list[RunTrace]) -> RunTrace:
    """The trace of one batch from those of its samples: runs on one schedule, with a static transition each."""
    percents = [percent for run in runs for percent in run.settings.static_percents]
    return replace(
        runs[0],
        settings=replace(runs[0].settings, static_percent=percents),
        transition_step=torch.cat([run.transition_step for run in runs]),
        gated=torch.cat([run.gated for run in runs]),
        reasons=[reason for run in runs for reason in run.reasons],
        series={name: torch.cat([run.series[name] for run in runs], dim=1) for name in runs[0].series},
    )
