"""The file of an audit: SQLite, one transaction for each finding, so that it is whole whenever the audit is killed.

Only one audit at a time can have it open. What it was made with stands in it; nothing else may be added to it.
"""

import itertools
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from .database import Database
from .examine import Finding, Job
from .prompts import Prompt

SCHEMA = """
CREATE TABLE IF NOT EXISTS prompts (id INTEGER PRIMARY KEY, ordinary INTEGER, text TEXT, seeds INTEGER);
CREATE TABLE IF NOT EXISTS prompt_references (prompt INTEGER, number INTEGER, path TEXT, PRIMARY KEY (prompt, number));
CREATE TABLE IF NOT EXISTS described (path TEXT PRIMARY KEY, stamp TEXT, vector BLOB, picture BLOB);
CREATE TABLE IF NOT EXISTS findings (prompt INTEGER, seed INTEGER, error TEXT, scores TEXT, plain BLOB, mitigated BLOB,
    server TEXT, PRIMARY KEY (prompt, seed));
CREATE TABLE IF NOT EXISTS pictures (prompt INTEGER, seed INTEGER, name TEXT, jpeg BLOB,
    PRIMARY KEY (prompt, seed, name));
"""


class Store(Database):
    """The file at a path. Raises ValueError as Database does."""

    def __init__(self, path: Path):
        super().__init__(path, SCHEMA)

    def begin(self, settings: dict[str, str], ordinary: Iterable[Prompt], prompts: Iterable[Prompt]) -> None:
        """Write settings and lists, all or nothing; for a file that has them, see that they are the same."""
        self.begin_with(settings, lambda: self._write_prompts(ordinary, prompts))

    def _write_prompts(self, ordinary: Iterable[Prompt], prompts: Iterable[Prompt]) -> None:
        execute = self.connection.execute
        for kind, each in ((0, prompts), (1, ordinary)):
            for prompt in each:
                row = (kind, prompt.text, prompt.seeds)
                number = execute("INSERT INTO prompts (ordinary, text, seeds) VALUES (?, ?, ?)", row).lastrowid
                rows = ((number, i, path) for i, path in enumerate(prompt.references))
                self.connection.executemany("INSERT INTO prompt_references VALUES (?, ?, ?)", rows)

    def counts(self) -> tuple[int, int]:
        """How many jobs there are, and how many are done."""
        total = self.connection.execute("SELECT coalesce(sum(seeds), 0) FROM prompts").fetchone()[0]
        return total, self.connection.execute("SELECT count(*) FROM findings WHERE error IS NULL").fetchone()[0]

    def numbers(self, ordinary: bool) -> range:
        """Of the prompts of a kind: of those of the list from 1 on."""
        query = "SELECT coalesce(min(id), 1), coalesce(max(id), 0) + 1 FROM prompts WHERE ordinary = ?"
        return range(*self.connection.execute(query, (ordinary,)).fetchone())

    def pending(self) -> Iterator[Job]:
        """The jobs without a finding, or with an error as their finding, prompt by prompt, the ordinary ones first."""
        for number in itertools.chain(self.numbers(ordinary=True), self.numbers(ordinary=False)):
            query = "SELECT text, seeds, ordinary FROM prompts WHERE id = ?"
            text, seeds, ordinary = self.connection.execute(query, (number,)).fetchone()
            query = "SELECT seed FROM findings WHERE prompt = ? AND error IS NULL"
            done = {row[0] for row in self.connection.execute(query, (number,))}
            for seed in range(seeds):
                if seed not in done:
                    yield Job(number, seed, text, bool(ordinary), seed == 0)

    def add(self, finding: Finding) -> None:
        key = finding.job.prompt, finding.job.seed
        plain, mitigated = (finding.vectors.get(name) for name in ("plain", "mitigated"))
        blobs = [None if vector is None else vector.astype("<f4").tobytes() for vector in (plain, mitigated)]
        row = (*key, finding.error, json.dumps(finding.scores, allow_nan=False), *blobs, finding.server)
        pictures = [(*key, name, jpeg) for name, jpeg in finding.pictures.items()]
        with self.connection:
            self.connection.execute("INSERT OR REPLACE INTO findings VALUES (?, ?, ?, ?, ?, ?, ?)", row)
            self.connection.executemany("INSERT OR REPLACE INTO pictures VALUES (?, ?, ?, ?)", pictures)


def vector_of(blob: bytes) -> np.ndarray:
    return np.frombuffer(blob, dtype="<f4")
