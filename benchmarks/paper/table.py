"""The table in the shape of the paper's Tables 1 and 3, for every method, and the trade-off curves."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from ..judged import Judged
from ..statistics import features, frechet_distance, jackknife, mean, moments
from ..testbeds import testbed
from .cache import Job
from .methods import SweptMethod, at, methods, oracle, transition_step
from .oracle import loaded
from .plan import Size, main_jobs


@dataclass(frozen=True)
class Outcome(Judged):
    """The pictures of one method, and the step from which each was under CFG: [captions, starts]."""

    step: np.ndarray


def outcome(jobs: list[Job], method: SweptMethod | str) -> Outcome:
    """Of a method, or of "oracle": each memorized start at its own oracle transition."""
    columns: list[list] = [[], [], [], [], []]
    for job in jobs:
        sweep = loaded(job)
        if isinstance(method, SweptMethod):
            step = transition_step(sweep, method.settings, job.condition)
        else:
            step = oracle(sweep["copied"])
        picked = [at(sweep[key], step) for key in ("samples", "similarity", "copied", "alignment")]
        for column, values in zip(columns, [*picked, step], strict=True):
            column.append(values)
    samples, *arrays = (torch.stack(column) for column in columns)
    return Outcome(samples, *(values.numpy() for values in arrays))


def row(name: str, kind: str, label: str, result: Outcome, size: Size, captions: Sequence[str]) -> dict:
    """Every figure of merit with its interval: (value, low, high)."""
    pixels, real = features(result.samples.flatten(0, 1)), moments(features(testbed(name).real(captions)))
    step = result.step.ravel()
    distance = lambda i: frechet_distance(moments(pixels[i]), real)  # noqa: E731
    found: dict = {"testbed": name, "captions": kind, "method": label, "pictures": step.size}
    found |= result.merit(size.resamples)
    found["step"] = result.figure(lambda i: mean(step[i][step[i] < size.steps]), size.resamples)
    found["frechet distance"] = (distance(np.arange(step.size)), *jackknife(distance, *result.step.shape))
    return found | result.spread(size.resamples)


def main_rows(name: str, kind: str, gate: float, size: Size) -> list[dict]:
    rows = []
    for method in methods(gate):
        if method.before in size.befores:
            jobs = main_jobs(name, method.before, kind, size)
            rows.append(row(name, kind, method.name, outcome(jobs, method), size, [job.caption for job in jobs]))
    if kind == "memorized":
        for before in size.befores:
            if before != "conditional":
                jobs = main_jobs(name, before, kind, size)
                result, label = outcome(jobs, "oracle"), f"{before} + oracle"
                rows.append(row(name, kind, label, result, size, [job.caption for job in jobs]))
    return rows


def trade_off(name: str, size: Size) -> dict[str, dict[str, list[float]]]:
    """By `before`, the static transition at every step: copy rate and alignment, memorized and ordinary."""
    curves = {}
    for before in size.befores:
        curve: dict[str, list[float]] = {}
        for kind in ("memorized", "ordinary"):
            sweeps = [loaded(job) for job in main_jobs(name, before, kind, size)]
            for key in ("copied", "alignment"):
                curve[f"{kind} {key}"] = torch.cat([s[key].float() for s in sweeps]).mean(0).tolist()
        curves[before] = curve
    return curves
