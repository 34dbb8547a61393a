"""The verdicts as CSV: prompts.csv with a row for each prompt, seeds.csv with one for each of its seeds."""

import contextlib
import csv
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

from .judge import Verdict
from .seen import seen
from .store import Store

SEEDS = ("prompt", "seed", "error", "similarity", "similarity_mitigated", "scores")
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # a text that begins so would be a formula to a spreadsheet


@contextlib.contextmanager
def written_whole(path: Path) -> Iterator[IO[str]]:
    """A text file that is there once it is complete."""
    unfinished = path.with_name(path.name + ".tmp")
    try:
        with unfinished.open("w", encoding="utf-8", newline="") as file:
            yield file
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def write_tables(store: Store, folder: Path) -> None:
    scores = [*json.loads(store.settings()["scores"]), "map"]
    with written_whole(folder / "prompts.csv") as file:
        _write(file, ("text", "seeds", *Verdict._fields), scores, _prompts(store))
    with written_whole(folder / "seeds.csv") as file:
        _write(file, SEEDS, scores, _seeds(store))


def _prompts(store: Store) -> Iterator[dict[str, Any]]:
    query = "SELECT prompts.text, prompts.seeds, verdicts.* FROM verdicts JOIN prompts ON id = prompt ORDER BY prompt"
    for text, seeds, *verdict in store.connection.execute(query):
        yield {"text": text, "seeds": seeds, **Verdict(*verdict)._asdict()}


def _seeds(store: Store) -> Iterator[dict[str, Any]]:
    for (prompt,) in store.connection.execute("SELECT prompt FROM verdicts ORDER BY prompt"):
        for each in seen(store, prompt):
            similar = [each.similarity.get(name) for name in ("plain", "mitigated")]
            values = (prompt, each.seed, each.error, *similar, json.dumps(each.scores))
            yield dict(zip(SEEDS, values, strict=True))


def _write(file: IO[str], names: Iterable[str], scores: list[str], rows: Iterable[dict[str, Any]]) -> None:
    """The columns `names`, in the place of `scores` one for each."""
    plain = [name for name in names if name != "scores"]
    out = csv.writer(file)
    out.writerow([*plain, *scores])
    for row in rows:
        values = json.loads(row["scores"])
        out.writerow([_cell(row[name]) for name in plain] + [_cell(values.get(name)) for name in scores])


def _cell(value: Any) -> Any:
    if isinstance(value, float):
        return f"{value:.6g}"
    return "'" + value if isinstance(value, str) and value.startswith(FORMULA) else value
