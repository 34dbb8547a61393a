"""The measured tables of docs/choosing.md, from benchmarks/results: every method in one line, and the probe."""

import csv

from ..benchmarks.paper.page import RESULTS, markdown

TESTBEDS = {"closed form": "closed-form-eps", "learned": "learned", "learned noise": "learned-noise"}
MERIT = ("copied", "similarity 95pc", "alignment")

Row = dict[str, str]


def field() -> str:
    """A line for each method: what copies, how alike at most, how much of the prompt is left, and what it costs."""
    tables = {name: {row["method"]: row for row in read(f"field/{file}.csv")} for name, file in TESTBEDS.items()}
    networks = [tables["learned"], tables["learned noise"]]
    lines = []
    for method in tables["learned"]:
        of_each = [table[method] for table in tables.values()]
        found = (" / ".join(short(row[name]) for name in MERIT) if row["copied"] else "-" for row in of_each)
        ordinary = " / ".join(short(table[method]["ordinary"]) for table in networks)
        unbeaten = [
            name + " (at its price)" * (row["unbeaten"] != "yes")
            for name, row in zip(TESTBEDS, of_each, strict=True)
            if row["unbeaten"]
        ]
        line = {"Method": method, **dict(zip(TESTBEDS, found, strict=True)), "ordinary": ordinary}
        lines.append(line | {"calls": calls(networks[1][method]), "unbeaten on": ", ".join(unbeaten)})
    return markdown(lines, list(lines[0]))


def probe() -> str:
    """How often a picture came back, a column for each way of asking for it."""
    lines: dict[tuple[str, str], Row] = {}
    for row in read("probe/probe.csv"):
        which = row["testbed"], row["mitigation"]
        line = lines.setdefault(which, {"Testbed": which[0], "Mitigation": which[1]})
        line[row["prompt"]] = short(row["copied"])
    return markdown([*lines.values()], [*next(iter(lines.values()))])


def read(path: str) -> list[Row]:
    with (RESULTS / path).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def short(number: str) -> str:
    """.05 for 0.0512; 1 stays."""
    return f"{float(number):.2f}".replace("0.", ".", 1) if abs(float(number)) < 0.995 else f"{float(number):.0f}"


def calls(row: Row) -> str:
    """Model calls beside plain CFG's, and how many of them went backward too."""
    backward = float(row["backward"])
    return f"{float(row['calls']):.2f}" + (f", {backward:.2f} backward" if backward else "")
