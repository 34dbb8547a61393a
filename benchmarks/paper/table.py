"""The table in the shape of the paper's Tables 1 and 3, for every method, and the trade-off curves."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from .cache import Job
from .methods import Method, at, methods, oracle, transition_step
from .oracle import loaded
from .plan import Size, main_jobs
from .statistics import diversity, features, frechet_distance, interval, jackknife, mean, moments
from .testbeds import testbed


@dataclass
class Outcome:
    """The pictures of one method: every array is [captions, starts, ...]."""

    samples: Tensor
    similarity: np.ndarray
    copied: np.ndarray
    alignment: np.ndarray
    step: np.ndarray


def outcome(jobs: list[Job], method: Method | str) -> Outcome:
    """Of a method, or of "oracle": each memorized start at its own oracle transition."""
    columns: list[list] = [[], [], [], [], []]
    for job in jobs:
        sweep = loaded(job)
        if isinstance(method, Method):
            step = transition_step(sweep, method.settings, job.condition)
        else:
            step = oracle(sweep["copied"])
        picked = [at(sweep[key], step) for key in ("samples", "similarity", "copied", "alignment")]
        for column, values in zip(columns, [*picked, step], strict=True):
            column.append(values)
    samples, *arrays = (torch.stack(column) for column in columns)
    return Outcome(samples, *(values.numpy() for values in arrays))


def row(name: str, kind: str, label: str, result: Outcome, size: Size, captions: tuple[str, ...]) -> dict:
    """Every figure of merit with its interval: (value, low, high)."""
    shape: tuple[int, int] = (len(result.step), len(result.step[0]))
    similarity, copied, alignment = (v.ravel() for v in (result.similarity, result.copied, result.alignment))
    pixels, real = features(result.samples.flatten(0, 1)), moments(features(testbed(name).real(captions)))
    step = result.step.ravel()
    spread = np.array([diversity(pictures) for pictures in result.samples]) if shape[1] > 1 else None
    measures = {
        "similarity 95pc": lambda i: float(np.percentile(similarity[i], 95)),
        "similarity mean": lambda i: mean(similarity[i]),
        "copied": lambda i: mean(copied[i]),
        "alignment": lambda i: mean(alignment[i]),
        "alignment of escaped": lambda i: mean(alignment[i][~copied[i]]),
        "step": lambda i: mean(step[i][step[i] < size.steps]),
    }
    every = np.arange(similarity.size)
    found: dict = {"testbed": name, "captions": kind, "method": label, "pictures": int(similarity.size)}
    found |= {key: (measure(every), *interval(measure, *shape, size.resamples)) for key, measure in measures.items()}
    distance = lambda i: frechet_distance(moments(pixels[i]), real)  # noqa: E731
    found["frechet distance"] = (distance(every), *jackknife(distance, *shape))
    if spread is not None:
        found["diversity"] = (mean(spread), *interval(lambda i: mean(spread[i]), len(spread), 1, size.resamples))
    return found


def main_rows(name: str, kind: str, gate: float, size: Size) -> list[dict]:
    rows = []
    for method in methods(gate):
        if method.before in size.befores:
            jobs = main_jobs(name, method.before, kind, size)
            rows.append(row(name, kind, method.name, outcome(jobs, method), size, tuple(job.caption for job in jobs)))
    if kind == "memorized":
        for before in size.befores:
            if before != "conditional":
                jobs = main_jobs(name, before, kind, size)
                result, label = outcome(jobs, "oracle"), f"{before} + oracle"
                rows.append(row(name, kind, label, result, size, tuple(job.caption for job in jobs)))
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
