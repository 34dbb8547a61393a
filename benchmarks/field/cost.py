"""What the chosen settings cost beside plain CFG: measured in one run, a method after the other, nothing from disk."""

from collections.abc import Sequence

from ..harness import sample, start_noise
from ..meter import Meter
from ..processes import alone
from ..testbeds import testbed
from .plan import CONDITIONS, Job

ROUNDS, SEEDS = 3, 4


def ratios(jobs: Sequence[Job]) -> list[dict[str, float]]:
    """Time and memory of each job's method on its testbed, plain CFG = 1, which is to be the first job.

    Of three rounds the fastest and the smallest: other work on the machine, and what is set up once, only ever add.
    """
    alone()
    spend(jobs[0])  # what a process sets up once is no method's cost
    spent = [[spend(job) for job in jobs] for _ in range(ROUNDS)]
    seconds = [min(of.seconds for of in each) for each in zip(*spent, strict=True)]
    memory = [min(of.memory for of in each) for each in zip(*spent, strict=True)]
    return [
        {"time": time / seconds[0], "memory": held / max(memory[0], 1)}
        for time, held in zip(seconds, memory, strict=True)
    ]


def spend(job: Job) -> Meter:
    """Of four pictures of the first caption."""
    bed, seeds = testbed(job.condition), range(SEEDS)
    noise = start_noise(bed.latent_shape, seeds)
    return sample(job.method, bed, job.captions[0], noise, seeds, CONDITIONS[job.condition])[2]
