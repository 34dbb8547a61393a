"""Sweeps on disk: what is finished is not computed again, and several processes share the work."""

import hashlib
import os
from dataclasses import astuple, dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from ...tools.pack import ROOT
from . import sweep as sweeping
from .sweep import Condition
from .testbeds import testbed

FOLDER = ROOT / "output" / "bench-paper"


@dataclass(frozen=True)
class Job:
    """The sweeps of one caption; with `circle`, of that many starts on the circle through those of two seeds."""

    condition: Condition
    caption: str
    seeds: range
    circle: int = 0

    @property
    def path(self) -> Path:
        """Named by everything that the result depends on: the job, the model and the sweep's code."""
        files = [*testbed(self.condition.testbed).files, Path(sweeping.__file__)]
        job = repr((astuple(self.condition), self.caption, self.seeds, self.circle))
        key = hashlib.sha256(job.encode() + b"".join(file.read_bytes() for file in files))
        return FOLDER / f"{key.hexdigest()[:24]}.safetensors"


def compute(job: Job) -> None:
    """Sweep a job whose result is not on disk yet."""
    if job.path.exists():
        return
    shape, seeds = testbed(job.condition.testbed).latent_shape, list(job.seeds)
    if job.circle:
        noise, seeds = sweeping.noise_circle(shape, job.seeds, job.circle), seeds[:1] * job.circle
    else:
        noise = sweeping.start_noise(shape, job.seeds)
    result = sweeping.sweep(job.condition, job.caption, noise, seeds)
    FOLDER.mkdir(parents=True, exist_ok=True)
    unfinished = job.path.with_suffix(f".{os.getpid()}")
    save_file({name: tensor.contiguous() for name, tensor in result.items()}, unfinished)
    unfinished.replace(job.path)


def swept(job: Job) -> dict[str, Tensor]:
    """The sweeps of a job, with similarity, alignment and copied [starts, steps + 1] of its pictures."""
    compute(job)
    result, bed = load_file(job.path), testbed(job.condition.testbed)
    samples = result["samples"].flatten(0, 1)
    for name, judge in (("similarity", bed.similarity), ("alignment", bed.alignment)):
        result[name] = judge(samples, job.caption).unflatten(0, (len(result["samples"]), -1))
    result["copied"] = (result["similarity"] > bed.copy_threshold).to(torch.bool)
    return result
