"""From findings to a verdict for each prompt (verdict.py).

A prompt is likely memorized if the mean of a score over the seeds reaches its threshold: the 99th percentile of the
starts of ordinary prompts, as in Detect Memorization.
"""

import json
from typing import Any, NamedTuple

import numpy as np

from .measures import agreement, alike, measure_of
from .seen import seen
from .store import Store
from .verdict import NOT_EXAMINED, worst

FEWEST = 20  # ordinary prompts that a threshold can come from


class Verdict(NamedTuple):
    """What is known of a prompt, over all its seeds; None for what was not measured. rank: 0 is the worst."""

    prompt: int
    rank: int
    verdict: str
    similarity: float | None = None
    similarity_mitigated: float | None = None
    nearest: str | None = None
    agreement: float | None = None
    agreement_mitigated: float | None = None
    alike: int | None = None
    alike_mitigated: int | None = None
    scores: str = "{}"  # JSON: the mean over the seeds, by name
    done: int = 0
    error: str | None = None


COLUMNS = ", ".join(Verdict._fields)


def judge(store: Store, given: float | None) -> dict[str, float]:
    """Write the table `verdicts`; returns the thresholds by score. given: that of the first score, not calibrated."""
    settings = store.settings()
    scores, copy = json.loads(settings["scores"]), measure_of(settings["measure"]).copy
    thresholds = {name: value for name in scores if (value := _calibrated(store, name)) is not None}
    if given is not None and scores:
        thresholds[scores[0]] = given
    with store.connection:
        store.connection.execute("DROP TABLE IF EXISTS verdicts")
        store.connection.execute(f"CREATE TABLE verdicts ({COLUMNS}, PRIMARY KEY (prompt))")
        verdicts = (_verdict(store, number, thresholds, copy) for number in store.numbers(ordinary=False))
        marks = ", ".join("?" * len(Verdict._fields))
        store.connection.executemany(f"INSERT INTO verdicts VALUES ({marks})", verdicts)
    return thresholds


def _calibrated(store: Store, name: str) -> float | None:
    query = "SELECT scores FROM findings JOIN prompts ON id = prompt WHERE ordinary = 1 AND error IS NULL"
    values = [json.loads(row[0])[name] for row in store.connection.execute(query)]
    return float(np.quantile(values, 0.99)) if len(values) >= FEWEST else None


def _verdict(store: Store, number: int, thresholds: dict[str, float], copy: float) -> Verdict:
    every = seen(store, number)
    done = [each for each in every if each.error is None]
    error = next((each.error for each in every if each.error is not None), None)
    if not done:
        return Verdict(number, 4, NOT_EXAMINED, error=error)
    known: dict[str, Any] = {"done": len(done), "error": error}
    for name, suffix in (("plain", ""), ("mitigated", "_mitigated")):
        if similar := [each.similarity[name] for each in done if name in each.similarity]:
            known["similarity" + suffix] = max(similar)
        vectors = np.array([each.vectors[name] for each in done if name in each.vectors])
        if len(vectors) > 1:
            known |= {"agreement" + suffix: agreement(vectors), "alike" + suffix: alike(vectors, copy)}
    if "similarity" in known:
        known["nearest"] = max(done, key=lambda each: each.similarity["plain"]).nearest
    means = {name: float(np.mean([each.scores[name] for each in done])) for name in done[0].scores}
    copied = known.get("similarity", -1.0) >= copy
    likely = any(means.get(name, -1.0) >= threshold for name, threshold in thresholds.items())
    rank, text = worst(copied, known.get("alike", 1), len(done), likely)
    return Verdict(number, rank, text, scores=json.dumps(means), **known)
