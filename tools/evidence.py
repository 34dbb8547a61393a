"""The measured tables of docs/choosing.md, from benchmarks/results: every method in one line, and the probe."""

import csv
from collections.abc import Iterable, Sequence

from .pack import ROOT

RESULTS = ROOT / "benchmarks" / "results"
TESTBEDS = {"closed form": "closed-form-eps", "learned": "learned", "learned noise": "learned-noise"}
MERIT = ("copied", "similarity 95pc", "alignment")

Row = dict[str, str]


def field() -> str:
    """A line for each method: what copies, how alike at most, how much of the prompt is left, and what it costs."""
    tables = {name: {row["method"]: row for row in read(f"field/{file}.csv")} for name, file in TESTBEDS.items()}
    networks = [tables["learned"], tables["learned noise"]]
    lines = [["Method", *TESTBEDS, "ordinary", "calls", "unbeaten on"]]
    for method in tables["learned"]:
        of_each = [table[method] for table in tables.values()]
        found = [" / ".join(short(row[name]) for name in MERIT) if row["copied"] else "-" for row in of_each]
        ordinary = " / ".join(short(table[method]["ordinary"]) for table in networks)
        unbeaten = [
            name + " (at its price)" * (row["unbeaten"] != "yes")
            for name, row in zip(TESTBEDS, of_each, strict=True)
            if row["unbeaten"]
        ]
        lines.append([method, *found, ordinary, calls(networks[1][method]), ", ".join(unbeaten)])
    return markdown(lines)


def probe() -> str:
    """How often a picture came back, a column for each way of asking for it."""
    rows = read("probe/probe.csv")
    prompts = list(dict.fromkeys(row["prompt"] for row in rows))
    asked = list(dict.fromkeys((row["testbed"], row["mitigation"]) for row in rows))
    found = {(row["testbed"], row["mitigation"], row["prompt"]): short(row["copied"]) for row in rows}
    lines = [[*which, *(found[(*which, prompt)] for prompt in prompts)] for which in asked]
    return markdown([["Testbed", "Mitigation", *prompts], *lines])


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


def markdown(lines: Sequence[Iterable[str]]) -> str:
    head, *rest = [f"| {' | '.join(line)} |" for line in lines]
    return "\n".join([head, "|" + "---|" * (head.count("|") - 1), *rest])
