"""Everything that is measured, from finished parts to results/ and the page."""

from pathlib import Path

from tqdm import tqdm

from . import figures, page, plots, scenarios
from .choices import before_rows, deadline_rows
from .cost import cost_rows
from .detection import calibration, gate, roc, units
from .oracle import error_rows
from .plan import Size
from .table import main_rows, trade_off

MERIT = ["similarity 95pc", "similarity mean", "copied", "alignment", "alignment of escaped"]
SPREAD = ["diversity", "frechet distance", "step"]
CHOICE = ["before", "rule", "deadline", "copied", "alignment of escaped", "never began", "alignment of ordinary"]
ERRORS = ["copied", "missed", "too early", "error", "absolute error", "within two", "alignment of escaped"]


def report(size: Size, folder: Path | None = None) -> None:
    """Write results, figures and, unless another `folder` than results/ is given, the page."""
    target = folder or page.RESULTS
    target.mkdir(parents=True, exist_ok=True)
    for name in tqdm(size.testbeds, unit="testbed"):
        own = target / name.replace(" ", "-")
        page.write_json(one_testbed(name, size.of(name), own), own / "tables.json")
    if size.scenarios:
        page.write_json(the_scenarios(size, target / "scenarios"), target / "scenarios" / "tables.json")
    if folder is None:
        page.write_page()


def the_scenarios(size: Size, target: Path) -> dict[str, str]:
    """Write the results of the paper's scenarios; returns their tables in Markdown, by name."""
    columns = ["method", "similarity 95pc", "similarity mean", "copied", "copied any", "alignment", "frechet distance"]
    found = {name: scenarios.scenario_rows(name, size) for name in size.scenarios}
    transitions = scenarios.transition_rows(size)
    page.write_csv([row for rows in found.values() for row in rows], target / "table.csv")
    page.write_csv(transitions, target / "transitions.csv")
    tables = {name: page.markdown(rows, columns) for name, rows in found.items()}
    tables["transitions"] = page.markdown(transitions, ["scenario", "starts", "first norm", "oracle transition t"], 3)
    copies = scenarios.copies_rows(size)
    page.write_csv(copies, target / "copies.csv")
    tables["copies"] = page.markdown(copies, list(copies[0]), 3)
    scenarios.draw(size, target)
    return {f"scenarios {name}": table for name, table in tables.items()}


def one_testbed(name: str, size: Size, target: Path) -> dict[str, str]:
    """Write the results of one testbed; returns its tables in Markdown, by name."""
    threshold, curves = gate(name, size), trade_off(name, size)
    merit = {kind: main_rows(name, kind, threshold, size) for kind in ("memorized", "ordinary")}
    rows = merit["memorized"] + merit["ordinary"]
    found = {
        "oracle_error": error_rows(name, size),
        "detection": roc(name, size),
        "cost": cost_rows(name, size),
        "gate_units": units(name, size),
        "gate_calibration": calibration(name, size),
        "deadline": deadline_rows(name, size),
        "before": before_rows(name, size),
    }
    for file, written in {"table": rows, **found}.items():
        page.write_csv(written, target / f"{file}.csv")
    page.write_json({"gate": threshold, "static transitions": curves}, target / "trade_off.json")
    for draw in (*figures.PAPER, plots.oracle_error, plots.roc):
        draw(name, size, target)
    plots.trade_off(curves, rows, target)
    tables = {"gate": f"{threshold:.4f}", **merit_tables(merit), **other_tables(found)}
    return {f"{name} {table}": text for table, text in tables.items()}


def merit_tables(merit: dict[str, list[dict]]) -> dict[str, str]:
    """Of the main table's rows, by kind of caption."""
    tables = {}
    for kind, rows in merit.items():
        tables[kind] = page.markdown(rows, ["method", *MERIT])
        tables[f"{kind} spread"] = page.markdown(rows, ["method", *SPREAD])
    return tables


def other_tables(found: dict[str, list[dict]]) -> dict[str, str]:
    """Of all other rows, by the name of their file."""
    shown = {
        "errors": ("oracle_error", ["condition", "rule", "starts", "oracle", *ERRORS], 2),
        "detection": ("detection", ["steps", "seeds", "auc", "tpr at 1 % fpr"], 3),
        "cost": ("cost", ["setting", "model calls", "seconds", "plain CFG = 1"], 2),
        "units": ("gate_units", ["unit", "testbed", "ordinary", "memorized"], 4),
        "calibration": ("gate_calibration", list(found["gate_calibration"][0]), 2),
        "deadline": ("deadline", CHOICE, 2),
        "before": ("before", [column for column in CHOICE if column != "deadline"], 2),
    }
    return {table: page.markdown(found[file], columns, digits) for table, (file, columns, digits) in shown.items()}
