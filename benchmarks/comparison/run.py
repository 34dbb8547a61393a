"""`make bench-methods`: orthogonal guidance beside the paper's rules, on every testbed.

All methods sample the same start noises (benchmarks/harness.py). The repulsion was chosen on the tuning half; every
other number is from the held-out half. Writes results/methods and README.md; what is finished is kept in
output/bench-paper and not computed again. --quick measures little and writes to output/ only.
"""

import argparse
from dataclasses import replace

from ...tools.pack import ROOT
from ..harness import Sampling, finished
from ..paper import page
from ..processes import share
from ..testbeds import testbed
from .plan import Job, jobs
from .report import report


def chosen(quick: bool) -> list[Job]:
    if not quick:
        return jobs()
    few = [job for job in jobs() if job.condition == "closed form eps"]
    return [replace(job, seeds=2, sampling=Sampling(steps=6)) for job in few]


def work(part: tuple[bool, int, str]) -> None:
    """One caption of a job. Jobs go to another process by their number: methods are functions."""
    quick, number, caption = part
    job = chosen(quick)[number]
    finished(job.method, job.name, caption, testbed(job.name).seeds(caption, job.seeds), job.sampling)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two starts and six steps of the closed form")
    parser.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args()
    every = chosen(arguments.quick)
    parts = [(arguments.quick, number, caption) for number, job in enumerate(every) for caption in job.captions]
    share(work, parts, arguments.processes)
    report(every, ROOT / "output" / "bench-methods-quick" if arguments.quick else page.RESULTS / "methods")
    if not arguments.quick:
        page.write_page()
