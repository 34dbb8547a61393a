"""The report: index.html with the worst prompts first, a page for each prompt, and their pictures. It has no script.

Jinja escapes all that is from outside; files are named by the number of the prompt and what is harmless of its text.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jinja2

from .judge import Verdict
from .measures import measure_of
from .seen import seen
from .store import Store
from .tables import written_whole

FOLDER = Path(__file__).parent / "pages"


def pages(*folders: Path) -> jinja2.Environment:
    """The templates of these folders. They escape whatever they are given."""
    found = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folders),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters["number"] = lambda value: "" if value is None else f"{value:.3g}"
    return found


PAGES = pages(FOLDER)
SHOWN = 4  # pictures in a row of the index


def file_name(number: int, text: str) -> str:
    """00017-a-red-house: nothing of a prompt that a file system or a page could take for something else."""
    words = re.sub(r"[^a-z0-9]+", "-", text.lower())[:40].strip("-")
    return f"{number:05}-{words}" if words else f"{number:05}"


def picture_name(number: int, seed: int, name: str) -> str:
    return f"{number:05}-{seed}-{name}.jpg"


def write_report(store: Store, folder: Path, thresholds: dict[str, float]) -> None:
    """`folder` is made where it is not there. Its index is written last."""
    (folder / "pictures").mkdir(parents=True, exist_ok=True)
    (folder / "prompts").mkdir(exist_ok=True)
    settings = store.settings()
    common = {
        "scores": json.loads(settings["scores"]),
        "thresholds": thresholds,
        "copy": measure_of(settings["measure"]).copy,
        "measure": settings["measure"],
    }
    page = PAGES.get_template("prompt.html")
    for row in _prompts(store, "prompt"):
        seeds = _seeds(store, folder, row)
        references = _references(store, folder, row["verdict"].prompt)
        with written_whole(folder / "prompts" / f"{row['file']}.html") as file:
            file.writelines(page.generate(**common, **row, seeds=seeds, references=references))
    total, done = store.counts()
    query = "SELECT verdict, count(*) FROM verdicts GROUP BY verdict ORDER BY min(rank), verdict DESC"
    counts = store.connection.execute(query).fetchall()
    rows = _prompts(store, "rank, similarity DESC, agreement DESC, prompt")
    with written_whole(folder / "index.html") as file:
        index = PAGES.get_template("index.html")
        known = {"settings": settings, "total": total, "done": done, "counts": counts}
        file.writelines(index.generate(**common, **known, rows=rows))


def _prompts(store: Store, order: str) -> Iterator[dict[str, Any]]:
    query = f"SELECT text, verdicts.* FROM verdicts JOIN prompts ON id = prompt ORDER BY {order}"
    for text, *columns in store.connection.execute(query):
        verdict = Verdict(*columns)
        means = json.loads(verdict.scores)
        query = "SELECT seed FROM pictures WHERE prompt = ? AND name = 'plain' ORDER BY seed LIMIT ?"
        seeds = store.connection.execute(query, (verdict.prompt, SHOWN))
        thumbs = [picture_name(verdict.prompt, seed, "plain") for (seed,) in seeds]
        file = file_name(verdict.prompt, text)
        yield {"text": text, "verdict": verdict, "means": means, "file": file, "thumbs": thumbs}


def _seeds(store: Store, folder: Path, row: dict[str, Any]) -> list[dict[str, Any]]:
    """What each seed gave, with its pictures as files in `folder`."""
    number = row["verdict"].prompt
    found = []
    for each in seen(store, number):
        query = "SELECT name, jpeg FROM pictures WHERE prompt = ? AND seed = ?"
        pictures = {}
        for name, jpeg in store.connection.execute(query, (number, each.seed)) if each.error is None else ():
            pictures[name] = picture_name(number, each.seed, name)
            (folder / "pictures" / pictures[name]).write_bytes(jpeg)
        found.append({"seen": each, "pictures": pictures})
    return found


def _references(store: Store, folder: Path, number: int) -> list[dict[str, str]]:
    query = """SELECT number, path, picture FROM prompt_references JOIN described USING (path) WHERE prompt = ?
        ORDER BY number"""
    found = []
    for reference, path, jpeg in store.connection.execute(query, (number,)):
        picture = f"{number:05}-reference-{reference}.jpg"
        found.append({"path": path, "name": Path(path).name, "picture": picture})
        (folder / "pictures" / found[-1]["picture"]).write_bytes(jpeg)
    return found
