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
from .report import Row, report, rows_of


def work(part: tuple[Job, str]) -> None:
    """One caption of a job."""
    job, caption = part
    seeds = testbed(job.condition).seeds(caption, job.seeds)
    finished(job.method, job.condition, caption, seeds, CONDITIONS[job.condition])


def sampled(jobs: Sequence[Job], processes: int) -> None:
    share(work, [(job, caption) for job in jobs for caption in job.captions], processes)


def chosen(condition: str, processes: int) -> tuple[list[tuple[Job, Row]], list[Row]]:
    """The trials of a testbed, and its table."""
    tried = [job for job in trials() if job.condition == condition]
    sampled(tried, processes)
    rows = [(job, job.evaluation().row()) for job in tried]
    families = [[pair for pair in rows if pair[0].family == number] for number in range(len(FAMILIES))]
    best_of = [of[best([row for _, row in of])][0] for of in families if of]
    last = finals(best_of)
    sampled(last, processes)
    return rows, rows_of(condition, last, ratios(best_of))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--testbed", choices=CONDITIONS, help="this one only, to output/bench-field")
    parser.add_argument("--processes", type=int, default=2)
    arguments = parser.parse_args()
    tried, tables = [], {}
    for condition in [arguments.testbed] if arguments.testbed else CONDITIONS:
        rows, tables[condition] = chosen(condition, arguments.processes)
        tried += rows
        report(tried, tables, ROOT / "output" / "bench-field" if arguments.testbed else page.RESULTS / "field")
        if not arguments.testbed:
            page.write_page()
