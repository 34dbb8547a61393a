"""Figures that the paper does not have: distance to the oracle, trade-off, detection."""

from pathlib import Path

import numpy as np
from matplotlib import colormaps

from .detection import scores
from .drawing import new, save
from .oracle import RULES, conditions, errors
from .plan import Size


def oracle_error(name: str, size: Size, folder: Path) -> None:
    """How many steps each rule is before (negative) or after the oracle, by condition."""
    chosen = conditions(name, size)
    found = {key: errors(jobs) for key, jobs in chosen.items() if jobs[0].condition.steps == size.steps}
    figure, grid = new(len(RULES), 1, 7, 10, sharex=True)
    bins = np.arange(-size.steps // 2, size.steps // 2 + 2) - 0.5
    for axes, rule in zip(grid[:, 0], RULES, strict=True):
        parts = [table[rule] for table in found.values()]
        distances = [(part["step"] - part["oracle"]).ravel().clip(bins[0], bins[-1]) for part in parts]
        axes.hist(distances, bins, stacked=True, label=list(found), color=colormaps["tab20"].colors[: len(found)])
        axes.axvline(0, color="black", linewidth=0.8)
        axes.set(title=rule, ylabel="starts")
    grid[-1, 0].set_xlabel("steps after the oracle transition (negative: too early, a copy)")
    grid[0, 0].legend(fontsize=6, ncols=2)
    save(figure, folder, "oracle-error")


def trade_off(curves: dict[str, dict[str, list[float]]], rows: list[dict], folder: Path) -> None:
    """Copies against alignment: curves of static transitions, a point for each other rule."""
    figure, [row] = new(1, 2, 11, 4.4)
    colours = dict(zip(curves, ("tab:blue", "tab:orange", "tab:red", "tab:gray"), strict=False))
    for axes, kind in zip(row, ("memorized", "ordinary"), strict=True):
        for before, curve in curves.items():
            axes.plot(
                curve["memorized copied"],
                curve[f"{kind} alignment"],
                ".-",
                color=colours[before],
                alpha=0.5,
                label=f"{before}, static",
            )
        named = {(r["captions"], r["method"]): r for r in rows}
        for before in curves:
            for rule, marker in (("dynamic", "s"), ("escape", "*"), ("oracle", "x")):
                copies, other = named.get(("memorized", f"{before} + {rule}")), named.get((kind, f"{before} + {rule}"))
                if copies and other:
                    place = copies["copied"][0], other["alignment"][0]
                    axes.plot(*place, marker, color=colours[before], markersize=10, label=f"{before}, {rule}")
        axes.set(
            xlabel="copy rate of memorized captions", ylabel="alignment", title=f"alignment of {kind} captions, no gate"
        )
        axes.grid(alpha=0.3)
    row[0].legend(fontsize=7)
    save(figure, folder, "trade-off")


def roc(name: str, size: Size, folder: Path) -> None:
    """ROC curves of the guidance norm under CFG over the first 1, 5 and all steps, one seed, all captions."""
    figure, [[axes]] = new(1, 1, 4.6, 4.4)
    kinds = {
        kind: np.concatenate([scores(name, kind, half, size.steps, size) for half in ("tuning", "held_out")])
        for kind in ("memorized", "ordinary")
    }
    for steps in (1, 5, size.steps):
        positive, negative = (values[:, :, :steps].mean(2).ravel() for values in kinds.values())
        thresholds = np.sort(np.concatenate([positive, negative, [-np.inf]]))[::-1]
        rates = [[(values > t).mean() for t in thresholds] for values in (negative, positive)]
        axes.plot(*rates, label=f"{steps} steps")
    axes.set(xlabel="false positive rate", ylabel="true positive rate", title="Detection by the guidance norm")
    axes.legend()
    save(figure, folder, "detection-roc")
