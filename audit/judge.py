"""From findings to a verdict for each prompt, the worst that holds:

copied a given image                 a plain picture is as similar to a reference as the measure calls a copy
the same picture from every seed     of two or more plain pictures all are copies of one: a sign that needs no
the same picture from k of n seeds   reference, and that many of them
likely memorized                     the mean of a score over the seeds reaches its threshold: the 99th percentile of
                                     the starts of ordinary prompts, as in Detect Memorization
no sign                              nothing of these in what was looked at, which proves nothing
not examined                         every seed failed, or none was tried
"""

import json
from typing import Any, NamedTuple

import numpy as np

from .measures import agreement, alike, measure_of
from .seen import seen
from .store import Store

COPIED, EVERY, SEVERAL = (
    "copied a given image",
    "the same picture from every seed",
    "the same picture from {} of {} seeds",
)
LIKELY, NO_SIGN, NOT_EXAMINED = "likely memorized", "no sign", "not examined"
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
    rank, text = _worst(known, means, thresholds, copy)
    return Verdict(number, rank, text, scores=json.dumps(means), **known)


def _worst(known: dict, means: dict[str, float], thresholds: dict[str, float], copy: float) -> tuple[int, str]:
    same, of = known.get("alike", 1), known["done"]
    if known.get("similarity", -1.0) >= copy:
        return 0, COPIED
    if same > 1:
        return 1, EVERY if same == of else SEVERAL.format(same, of)
    if any(means.get(name, -1.0) >= threshold for name, threshold in thresholds.items()):
        return 2, LIKELY
    return 3, NO_SIGN
