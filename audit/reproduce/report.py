"""The page: the paper's table, made again, beside the paper's. And the same numbers as CSV and JSON."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ..report import FOLDER, pages
from ..tables import written_whole
from .book import Book
from .methods import METHODS, NOT_RUN
from .paper import TABLES, Reported
from .table import GROUPS, Row, rows

PAPER = {method.name: method.paper for method in METHODS}
COLUMNS = ["group", "measure", "method", "pictures"]
COLUMNS += [f"{to} {name}" for to in ("training", "own") for name in ("n", "95pc", "mean", "std", "above 0.5")]
COLUMNS += ["clip", "seconds", "paper 95pc", "paper mean", "paper std", "paper clip"]


class Table(NamedTuple):
    group: str
    measure: str
    rows: list[tuple[Row, Reported | None]]


class State(NamedTuple):
    """How far it is. left: about how many seconds; every: all pictures of the list, and how long they take together;
    left_out: methods that were not run, and why; missing: measures.
    """

    done: int
    total: int
    left: float | None
    every: int
    whole: float | None
    left_out: dict[str, str]
    missing: list[str]


def tables(book: Book, measures: Sequence[str], clip: str | None, number: int) -> list[Table]:
    """A table for each group of prompts and each measure of similarity; the paper's rows only beside all memorized."""
    found = []
    for group, kinds in GROUPS.items():
        for measure in measures:
            made = rows(book, list(PAPER), kinds, measure, clip)
            paper = TABLES[number] if group == next(iter(GROUPS)) else {}
            if made:
                found.append(Table(group, measure, [(row, paper.get(PAPER[row.method] or "")) for row in made]))
    return found


def write(book: Book, made: list[Table], state: State, number: int) -> None:
    """index.html, table.csv and table.json into the folder of the book, each whole or not at all."""
    page = pages(Path(__file__).parent / "pages", FOLDER).get_template("reproduce.html")
    settings = book.settings()
    known = {"settings": settings, "rows_of": PAPER, "number": number, "reported": TABLES[number], "not_run": NOT_RUN}
    left_over = set(TABLES[number]) - {name for name in PAPER.values() if name}
    with written_whole(book.folder / "index.html") as file:
        file.writelines(page.generate(**known, tables=made, state=state, left_over=left_over, in_words=in_words))
    with written_whole(book.folder / "table.csv") as file:
        out = csv.writer(file)
        out.writerow(COLUMNS)
        out.writerows(_cells(table, row, paper) for table in made for row, paper in table.rows)
    with written_whole(book.folder / "table.json") as file:
        json.dump({"state": state._asdict(), "settings": settings, "tables": [_json(table) for table in made]}, file)


def in_words(seconds: float | None) -> str:
    """3 h 20 min."""
    if seconds is None:
        return "not known yet"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min" if minutes else "less than a minute"


def _cells(table: Table, row: Row, paper: Reported | None) -> list[Any]:
    similar = [value for each in (row.training, row.own) for value in (each or [None] * 5)]
    reported = list(paper[:4]) if paper else [None] * 4
    return [table.group, table.measure, row.method, row.pictures, *similar, row.clip, row.seconds, *reported]


def _json(table: Table) -> dict[str, Any]:
    def row(each: Row, paper: Reported | None) -> dict[str, Any]:
        nested = {name: value and value._asdict() for name, value in (("training", each.training), ("own", each.own))}
        return {**each._asdict(), **nested, "paper": paper and paper._asdict()}

    return {"group": table.group, "measure": table.measure, "rows": [row(*each) for each in table.rows]}
