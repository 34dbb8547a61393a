"""The list of prompts: a text file with one on a line, or CSV with the columns `prompt`, `references`, `seeds`.

A reference is a picture, or a folder of pictures; several are separated by `;`. Paths begin at the list's folder.
"""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from .pictures import SUFFIXES, check_picture

COLUMNS = ("prompt", "references", "seeds")


class Prompt(NamedTuple):
    text: str
    seeds: int
    references: tuple[str, ...] = ()


def read_prompts(path: Path, seeds: int) -> Iterator[Prompt]:
    """The prompts one after another; `seeds`: for those that do not say how many.

    Raises ValueError naming file and line for what is wrong, and for a list without a prompt.
    """
    number = 0
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            for number, prompt in enumerate(_rows(file, path, seeds), 1):  # noqa: B007
                yield prompt
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"{path} cannot be read after prompt {number}: {error}. Save it as UTF-8.") from error
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}.") from error
    if not number:
        raise ValueError(f"{path} has no prompt: write one on each line.")


def _rows(file, path: Path, seeds: int) -> Iterator[Prompt]:
    if path.suffix.lower() != ".csv":
        yield from (Prompt(line.strip(), seeds) for line in file if line.strip())
        return
    rows = csv.DictReader(file)
    names = rows.fieldnames or []
    if "prompt" not in names or set(names) - set(COLUMNS):
        raise ValueError(
            f"{path} has the columns {', '.join(names)}: name them {', '.join(COLUMNS)}, the first at least."
        )
    for row in rows:
        if (row["prompt"] or "").strip():
            yield _prompt(row, path.parent, f"{path}, line {rows.line_num}", seeds)


def _prompt(row: dict, folder: Path, where: str, seeds: int) -> Prompt:
    written = (row.get("seeds") or "").strip() or str(seeds)
    if not written.isascii() or not written.isdigit() or not 1 <= int(written) <= 1000:
        raise ValueError(f"{where}: seeds is {written[:20]!r}, a number from 1 to 1000 is needed.")
    if None in row:
        raise ValueError(f"{where} has more cells than columns: put a prompt with commas in double quotes.")
    paths = [part.strip() for part in (row.get("references") or "").split(";") if part.strip()]
    found = [picture for part in paths for picture in _pictures(folder / part, where)]
    return Prompt(row["prompt"].strip(), int(written), tuple(found))


def _pictures(path: Path, where: str) -> list[str]:
    """The picture of a path, or those of a folder, each looked at as far as its size is known."""
    if path.is_dir():
        found = sorted(each for each in path.iterdir() if each.suffix.lower() in SUFFIXES)
        if not found:
            raise ValueError(f"{where}: the folder {path} holds no picture ({' '.join(SUFFIXES)}).")
    else:
        found = [path]
    for picture in found:
        check_picture(picture, f"{where}: the reference {picture}")
    return [str(picture.resolve()) for picture in found]
