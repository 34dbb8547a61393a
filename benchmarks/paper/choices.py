"""What defaults are chosen on: the deadline and what is followed before the transition, on the tuning half."""

from functools import partial

from ..statistics import mean
from .methods import BEFORE, NO_DEADLINE, method
from .plan import Size, choice_jobs
from .table import outcome

RULES = ("dynamic", "escape")
DEADLINES = (0.6, 0.7, 0.8, NO_DEADLINE)


def choice_row(name: str, before: str, rule: str, limit: float, size: Size) -> dict:
    chosen = method("", before, rule, latest_percent=limit)
    memorized, ordinary = (outcome(choice_jobs(name, before, kind, size), chosen) for kind in ("memorized", "ordinary"))
    escaped = lambda r, i: mean(r.alignment.ravel()[i][~r.copied.ravel()[i]])  # noqa: E731
    measures = {
        "copied": (memorized, lambda r, i: mean(r.copied.ravel()[i])),
        "alignment of escaped": (memorized, escaped),
        "never began": (memorized, lambda r, i: mean(r.step.ravel()[i] == size.steps)),
        "alignment of ordinary": (ordinary, lambda r, i: mean(r.alignment.ravel()[i])),
    }
    row: dict = {"before": before, "rule": rule, "deadline": limit if limit < NO_DEADLINE else "none"}
    for key, (result, measure) in measures.items():
        row[key] = result.figure(partial(measure, result), size.resamples)
    return row


def deadline_rows(name: str, size: Size) -> list[dict]:
    befores = ("zero", "opposite 2")
    return [choice_row(name, b, rule, limit, size) for b in befores for rule in RULES for limit in DEADLINES]


def before_rows(name: str, size: Size) -> list[dict]:
    """Without a deadline: zero, conditional only, and opposite guidance of every scale, the last one that of CFG."""
    befores = [before for before in BEFORE if before in size.choices]
    return [choice_row(name, before, rule, NO_DEADLINE, size) for before in befores for rule in RULES]
