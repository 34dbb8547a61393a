"""`make bench-paper`: the paper's tables and figures on the pack's memorizing models, into benchmarks/.

Writes results/ (CSV, JSON, figures) and README.md. What is finished is kept in output/bench-paper and not computed
again. The results do not depend on the number of processes. --quick measures little and writes to output/ only.
"""

import argparse
from dataclasses import replace

from ...tools.pack import ROOT
from ..paper import plan
from ..processes import alone, share
from .cache import Job, compute
from .detection import Curve, curves, record
from .figures import circle_job
from .report import report

KINDS, HALVES = ("memorized", "ordinary"), ("tuning", "held_out")


def work(job: Job | Curve) -> None:
    if isinstance(job, Job):
        compute(job)
    else:
        record(job)


def parts(size: plan.Size) -> list[Job | Curve]:
    jobs: list[Job | Curve] = list(plan.all_jobs(size))
    for name in size.testbeds:
        own = size.of(name)
        jobs += [c for half in HALVES for kind in KINDS for c in curves(name, kind, half, own.steps, own)]
        jobs.append(circle_job(name, own))
    for name in size.first_step_only:
        jobs += [c for kind in KINDS for c in curves(name, kind, "tuning", 1, size)]
    return jobs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a small part, in seconds, to output/bench-paper-quick")
    parser.add_argument(
        "--testbed",
        choices=plan.FULL.testbeds,
        help="this one only (scenarios are closed forms); the page keeps the other's tables",
    )
    parser.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args()
    size = plan.QUICK if arguments.quick else plan.FULL
    if arguments.testbed:
        exact = not arguments.testbed.startswith("learned")
        first, scenarios = size.first_step_only * exact, size.scenarios * exact
        size = replace(size, testbeds=(arguments.testbed,), first_step_only=first, scenarios=scenarios)
    share(work, parts(size), arguments.processes)
    alone()
    report(size, ROOT / "output" / "bench-paper-quick" if arguments.quick else None)
