"""The SQLite file of a reproduction, and the pictures beside it: which there are, and what all measures say of them."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..database import Database
from .methods import Method
from .prompt_lists import Listed

FILE = "reproduce.sqlite"
SCHEMA = """
CREATE TABLE IF NOT EXISTS prompts (id INTEGER PRIMARY KEY, kind TEXT, caption TEXT);
CREATE TABLE IF NOT EXISTS training (prompt INTEGER, path TEXT, PRIMARY KEY (prompt, path));
CREATE TABLE IF NOT EXISTS methods (name TEXT PRIMARY KEY, graph TEXT);
CREATE TABLE IF NOT EXISTS pictures (method TEXT, prompt INTEGER, seed INTEGER, file TEXT, seconds REAL, error TEXT,
    server TEXT, PRIMARY KEY (method, prompt, seed));
CREATE TABLE IF NOT EXISTS vectors (source TEXT, measure TEXT, stamp TEXT, vector BLOB, PRIMARY KEY (source, measure));
"""
ROUND = 50  # starts, of which one method after the other is run: what a method prepares, the server keeps for so long
SEEDS_APART = 1000  # no two prompts share a start noise


class Start(NamedTuple):
    """A picture that is to be made. seed: which of its prompt; noise_seed: that of the start noise."""

    prompt: int
    seed: int
    method: str
    caption: str

    @property
    def noise_seed(self) -> int:
        return self.prompt * SEEDS_APART + self.seed


class Book(Database):
    """That of a folder. Raises ValueError as Database does."""

    def __init__(self, folder: Path):
        super().__init__(folder / FILE, SCHEMA)
        self.folder = folder

    def begin(self, settings: dict[str, str], prompts: Iterable[Listed]) -> None:
        """Raises ValueError for a folder that was begun with other settings."""
        rows = ((prompt.kind, prompt.caption) for prompt in prompts)
        query = "INSERT INTO prompts (kind, caption) VALUES (?, ?)"
        self.begin_with(settings, lambda: self.connection.executemany(query, rows))

    def set_training(self, images: Iterable[tuple[int, Path]]) -> None:
        """The training images by prompt, in the place of those that were known."""
        with self.connection:
            self.connection.execute("DELETE FROM training")
            rows = ((prompt, str(path.resolve())) for prompt, path in images)
            self.connection.executemany("INSERT OR IGNORE INTO training VALUES (?, ?)", rows)

    def set_method(self, name: str, graph: str) -> None:
        """Raises ValueError where pictures of this method were made by another graph."""
        known = self.connection.execute("SELECT graph FROM methods WHERE name = ?", (name,)).fetchone()
        if known not in (None, (graph,)):
            raise ValueError(
                f"{self.path} has pictures of {name} by other nodes or settings of it: choose another folder for --out."
            )
        with self.connection:
            self.connection.execute("INSERT OR IGNORE INTO methods VALUES (?, ?)", (name, graph))

    def starts(self, methods: Sequence[Method], limit: int, seeds: int, alternatives: dict) -> list[Start]:
        """All that are asked for, first those of every kind's first prompts, in rounds."""
        query = """SELECT id, caption, row_number() OVER (PARTITION BY kind ORDER BY id) AS place FROM prompts
            ORDER BY place, id"""
        prompts = [row[:2] for row in self.connection.execute(query) if row[2] <= limit]
        each = [(number, seed, caption) for seed in range(seeds) for number, caption in prompts]
        rounds = (each[first : first + ROUND] for first in range(0, len(each), ROUND))
        return [
            Start(number, seed, method.name, caption)
            for part in rounds
            for method in methods
            for number, seed, caption in part
            if not method.needs_alternatives or alternatives.get(caption)
        ]

    def done(self) -> set[tuple[str, int, int]]:
        """Method, prompt and seed of the pictures that there are."""
        return set(self.connection.execute("SELECT method, prompt, seed FROM pictures WHERE error IS NULL"))

    def add(self, start: Start, file: str | None, seconds: float | None, error: str | None, server: str) -> None:
        row = (start.method, start.prompt, start.seed, file, seconds, error, server)
        with self.connection:
            self.connection.execute("INSERT OR REPLACE INTO pictures VALUES (?, ?, ?, ?, ?, ?, ?)", row)

    def seconds(self) -> dict[str, float]:
        """The mean time of a picture, by method."""
        query = "SELECT method, avg(seconds) FROM pictures WHERE error IS NULL GROUP BY method"
        return dict(self.connection.execute(query))

    def vector(self, source: str, measure: str) -> tuple[str, np.ndarray] | None:
        """The stamp of what was described, and the vector."""
        query = "SELECT stamp, vector FROM vectors WHERE source = ? AND measure = ?"
        row = self.connection.execute(query, (source, measure)).fetchone()
        return row and (row[0], np.frombuffer(row[1], "<f4"))

    def keep(self, source: str, measure: str, stamp: str, vector: np.ndarray) -> None:
        with self.connection:
            row = (source, measure, stamp, vector.astype("<f4").tobytes())
            self.connection.execute("INSERT OR REPLACE INTO vectors VALUES (?, ?, ?, ?)", row)

    def files(self) -> Iterator[str]:
        """Of the pictures that were made, relative to the folder."""
        query = "SELECT file FROM pictures WHERE error IS NULL ORDER BY file"
        yield from (row[0] for row in self.connection.execute(query).fetchall())
