"""Sweeps on disk, one file for each caption under each condition."""

from dataclasses import astuple, dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from .. import cache
from ..harness import start_noise
from ..testbeds import testbed
from . import sweep as sweeping
from .sweep import Condition


@dataclass(frozen=True)
class Job:
    """The sweeps of one caption; with `circle`, of that many starts on the circle through those of two seeds."""

    condition: Condition
    caption: str
    seeds: range
    circle: int = 0

    @property
    def path(self) -> Path:
        job = ("sweep", sweeping.VERSION, astuple(self.condition), self.caption, self.seeds, self.circle)
        return cache.place(job, testbed(self.condition.testbed).files)


def compute(job: Job) -> None:
    """Sweep a job whose result is not on disk yet."""
    if job.path.exists():
        return
    shape, seeds = testbed(job.condition.testbed).latent_shape, list(job.seeds)
    if job.circle:
        noise, seeds = sweeping.noise_circle(shape, job.seeds, job.circle), seeds[:1] * job.circle
    else:
        noise = start_noise(shape, job.seeds)
    cache.keep(job.path, sweeping.sweep(job.condition, job.caption, noise, seeds))


def swept(job: Job) -> dict[str, Tensor]:
    """The sweeps of a job, with similarity, alignment and copied [starts, steps + 1] of its pictures."""
    compute(job)
    result, bed = load_file(job.path), testbed(job.condition.testbed)
    samples = result["samples"].flatten(0, 1)
    for name, judge in (("similarity", bed.similarity), ("alignment", bed.alignment)):
        result[name] = judge(samples, job.caption).unflatten(0, (len(result["samples"]), -1))
    result["copied"] = (result["similarity"] > bed.copy_threshold).to(torch.bool)
    return result
