"""Telling memorized prompts by their guidance norm under CFG (Wen et al.), and the unit of the gate."""

import functools
from dataclasses import astuple, dataclass
from pathlib import Path

import numpy as np
from safetensors.torch import load_file
from torch import Tensor

from ...samplers.guidance import rms
from ...samplers.settings import Settings
from .. import cache
from ..harness import Sampling, sample, start_noise
from ..methods import guided
from ..statistics import auc, interval_of_two, tpr_at_fpr
from ..testbeds import testbed
from .plan import Size, captions

SEEDS = 16
VERSION = 1  # of what is recorded
UNITS = {
    "guidance norm (RMS)": lambda run: run["guidance_norm"],
    "the same in denoised space (RMS)": lambda run: run["guidance_norm"] * run["sigma"],
    "share of the unconditional norm": lambda run: run["guidance_norm"] / run["unconditional_norm"],
    "share of the conditional norm": lambda run: run["guidance_norm"] / run["conditional_norm"],
}


@dataclass(frozen=True)
class Curve:
    """A run under plain CFG, recorded by the pack's guider; SEEDS images of one caption."""

    testbed: str
    caption: str
    steps: int
    seeds: range

    @property
    def path(self) -> Path:
        return cache.place(("curve", VERSION, *astuple(self)), testbed(self.testbed).files)


def record(curve: Curve) -> None:
    """Sample a curve that is not on disk yet."""
    if curve.path.exists():
        return
    bed = testbed(curve.testbed)
    noise, sampling = start_noise(bed.latent_shape, curve.seeds), Sampling(steps=curve.steps)
    _, trace, _ = sample(guided("off", Settings("off")), bed, curve.caption, noise, curve.seeds, sampling)
    run = trace.runs[0]
    in_rms = {name: rms(values, run.elements) for name, values in run.series.items() if name.endswith("norm")}
    cache.keep(curve.path, run.series | in_rms)


@functools.cache
def recorded(curve: Curve) -> dict[str, Tensor]:
    """The named series of the run's trace, [steps, seeds] each; norms in RMS."""
    record(curve)
    return load_file(curve.path)


def curves(name: str, kind: str, half: str, steps: int, size: Size) -> list[Curve]:
    """Of every caption of a kind ("memorized", "ordinary") in a half ("tuning", "held_out")."""
    number = SEEDS if size.variations else 2
    return [Curve(name, c, steps, testbed(name).seeds(c, number)) for c in captions(name, kind, size, half)]


def scores(name: str, kind: str, half: str, steps: int, size: Size, unit: str = "guidance norm (RMS)") -> np.ndarray:
    """[captions, seeds, steps] of the score's unit."""
    runs = [recorded(curve) for curve in curves(name, kind, half, steps, size)]
    return np.stack([UNITS[unit](run).T.numpy() for run in runs])


def roc(name: str, size: Size) -> list[dict]:
    """AUC and TPR at 1 % FPR, over all captions, by how many first steps and seeds the norm is averaged over."""
    full = {
        kind: np.concatenate([scores(name, kind, half, size.steps, size) for half in ("tuning", "held_out")])
        for kind in ("memorized", "ordinary")
    }
    rows = []
    for steps in (1, 5, size.steps):
        for number in (1, 4, 16):
            if number > full["memorized"].shape[1]:
                continue
            positive, negative = (
                values[:, :, :steps].mean(2).reshape(len(values), -1, number).mean(2) for values in full.values()
            )
            row: dict = {"steps": steps, "seeds": number}
            for label, measure in {"auc": auc, "tpr at 1 % fpr": tpr_at_fpr}.items():
                row[label] = (
                    measure(positive.ravel(), negative.ravel()),
                    *interval_of_two(measure, positive, negative, size.resamples),
                )
            rows.append(row)
    return rows


def units(name: str, size: Size) -> list[dict]:
    """First-step scores of the tuning half in every unit: does one threshold serve several models?

    Medians, with the lowest and highest score in place of an interval.
    """
    rows = []
    for unit in UNITS:
        for other in (name, *(size.first_step_only if name == size.testbeds[0] else ())):
            steps = size.steps if other == name else 1
            row: dict = {"unit": unit, "testbed": other}
            for kind in ("ordinary", "memorized"):
                first = scores(other, kind, "tuning", steps, size, unit)[:, :, 0]
                row[kind] = (float(np.median(first)), float(first.min()), float(first.max()))
            rows.append(row)
    return rows


def calibration(name: str, size: Size) -> list[dict]:
    """A gate at a multiple of the highest first norm of some ordinary prompts, judged on the held-out half.

    The prompts are those of the tuning half, in groups of so many: mean over the groups, and the worst and the best.
    """
    batches, ordinary, memorized = (
        scores(name, kind, half, size.steps, size)[:, :, 0]
        for kind, half in (("ordinary", "tuning"), ("ordinary", "held_out"), ("memorized", "held_out"))
    )
    rows, every = [], len(batches)
    for prompts, factor in ((1, 1.0), (1, 1.5), (1, 2.0), (min(4, every), 1.0), (every, 1.0)):
        row: dict = {"ordinary prompts": prompts, "factor": factor}
        groups = batches[: every // prompts * prompts].reshape(-1, prompts * batches.shape[1])
        thresholds = factor * groups.max(1)
        for label, shares in {
            "ordinary passed": np.array([(ordinary < threshold).mean() for threshold in thresholds]),
            "memorized caught": np.array([(memorized >= threshold).mean() for threshold in thresholds]),
        }.items():
            row[label] = (float(shares.mean()), float(shares.min()), float(shares.max()))
        rows.append(row)
    return rows


def gate(name: str, size: Size) -> float:
    """A memorization threshold (RMS): halfway, on a log scale, between ordinary and memorized of the tuning half."""
    ordinary, memorized = (
        scores(name, kind, "tuning", size.steps, size)[:, :, 0] for kind in ("ordinary", "memorized")
    )
    return float(np.sqrt(np.quantile(ordinary, 0.99) * np.quantile(memorized, 0.01)))
