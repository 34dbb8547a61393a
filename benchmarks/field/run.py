"""`make bench-field`: every method on the same start noises, with its best setting.

The setting is chosen on the tuning half of a testbed's captions (choose.py), everything that is reported is of the
held-out half. Writes results/field and README.md; what is finished is kept in output/bench-paper.
"""

import argparse
from collections.abc import Sequence

from ...tools.pack import ROOT
from ..harness import finished
from ..paper import page
from ..processes import share
from ..testbeds import testbed
from .choose import best
from .cost import ratios
from .plan import CONDITIONS, FAMILIES, Job, finals, trials
from .report import report, rows_of


def work(part: tuple[Job, str]) -> None:
    """One caption of a job."""
    job, caption = part
    seeds = testbed(job.condition).seeds(caption, job.seeds)
    finished(job.method, job.condition, caption, seeds, CONDITIONS[job.condition])


def sampled(jobs: Sequence[Job], processes: int) -> None:
    share(work, [(job, caption) for job in jobs for caption in job.captions], processes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--testbed", choices=CONDITIONS, help="this one only, to output/bench-field")
    parser.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args()
    conditions = [arguments.testbed] if arguments.testbed else list(CONDITIONS)
    tried = [job for job in trials() if job.condition in conditions]
    sampled(tried, arguments.processes)
    rows = [(job, job.evaluation().row()) for job in tried]
    tables = {}
    for condition in conditions:
        chosen = []
        for number in range(len(FAMILIES)):
            of = [(job, row) for job, row in rows if (job.condition, job.family) == (condition, number)]
            chosen += [of[best([row for _, row in of])][0]] if of else []
        last = finals(chosen)
        sampled(last, arguments.processes)
        tables[condition] = rows_of(condition, last, ratios(chosen))
    report(rows, tables, ROOT / "output" / "bench-field" if arguments.testbed else page.RESULTS / "field")
    if not arguments.testbed:
        page.write_page()
