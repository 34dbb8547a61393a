"""Results as CSV, and the page made of them: the text of page.md with its tables filled in."""

import csv
import json
import math
import re
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
RESULTS = HERE.parent / "results"
PAGE = HERE.parent / "README.md"


def flat(row: dict[str, Any]) -> dict[str, Any]:
    """A value with its interval becomes three columns; what is not defined is left empty."""
    columns: dict[str, Any] = {}
    for key, value in row.items():
        if isinstance(value, tuple):
            columns |= dict(zip((key, f"{key} low", f"{key} high"), map(rounded, value), strict=True))
        else:
            columns[key] = rounded(value) if isinstance(value, float) else value
    return columns


def rounded(value: float) -> float | str:
    return float(f"{value:.5g}") if math.isfinite(value) else ""


def write_csv(rows: list[dict[str, Any]], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [flat(row) for row in rows]
    names = list(dict.fromkeys(key for line in lines for key in line))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(lines)


def write_json(data: Any, path: Path) -> None:
    path.write_text(json.dumps(data, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def cell(value: Any, digits: int = 2) -> str:
    """A number, or a value with its interval: 0.50 (0.31-0.69)."""
    if isinstance(value, tuple):
        middle, low, high = (cell(part, digits) for part in value)
        return middle if middle == low == high or low == "-" else f"{middle} ({low} to {high})"
    if isinstance(value, float):
        return f"{value:.{digits}f}" if math.isfinite(value) else "-"
    return str(value)


def markdown(rows: list[dict[str, Any]], columns: list[str], digits: int = 2) -> str:
    lines = ["| " + " | ".join(columns) + " |", "|" + "---|" * len(columns)]
    lines += ["| " + " | ".join(cell(row.get(column, ""), digits) for column in columns) + " |" for row in rows]
    return "\n".join(lines)


def write_page() -> None:
    """Every `<!-- name -->` of page.md becomes the table of that name, of whichever testbeds have been measured."""
    text = (HERE / "page.md").read_text(encoding="utf-8")
    for path in sorted(RESULTS.glob("*/tables.json")):
        for name, table in json.loads(path.read_text(encoding="utf-8")).items():
            text = text.replace(f"<!-- {name} -->", table)
    PAGE.write_text(re.sub("<!-- .* -->", "(not measured yet)", text), encoding="utf-8")
