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
    tables: dict[str, str] = {}
    threshold = gate(name, size)
    merit = {kind: main_rows(name, kind, threshold, size) for kind in ("memorized", "ordinary")}
    curves = trade_off(name, size)
    errors, detection, cost = error_rows(name, size), roc(name, size), cost_rows(name, size)
    first, calibrated = units(name, size), calibration(name, size)
    deadline, before = deadline_rows(name, size), before_rows(name, size)
    rows = merit["memorized"] + merit["ordinary"]
    for file, found in {
        "table": rows,
        "oracle_error": errors,
        "detection": detection,
        "cost": cost,
        "gate_units": first,
        "gate_calibration": calibrated,
        "deadline": deadline,
        "before": before,
    }.items():
        page.write_csv(found, target / f"{file}.csv")
    page.write_json({"gate": threshold, "static transitions": curves}, target / "trade_off.json")

    tables[f"{name} gate"] = f"{threshold:.4f}"
    for kind, found in merit.items():
        tables[f"{name} {kind}"] = page.markdown(found, ["method", *MERIT])
        tables[f"{name} {kind} spread"] = page.markdown(found, ["method", *SPREAD])
    tables[f"{name} errors"] = page.markdown(errors, ["condition", "rule", "starts", "oracle", *ERRORS])
    tables[f"{name} detection"] = page.markdown(detection, ["steps", "seeds", "auc", "tpr at 1 % fpr"], 3)
    tables[f"{name} cost"] = page.markdown(cost, ["setting", "model calls", "seconds", "plain CFG = 1"])

    tables[f"{name} units"] = page.markdown(first, ["unit", "testbed", "ordinary", "memorized"], 4)
    tables[f"{name} calibration"] = page.markdown(calibrated, list(calibrated[0]))
    tables[f"{name} deadline"] = page.markdown(deadline, CHOICE)
    tables[f"{name} before"] = page.markdown(before, [column for column in CHOICE if column != "deadline"])
    for draw in figures.PAPER:
        draw(name, size, target)
    plots.oracle_error(name, size, target)
    plots.roc(name, size, target)
    plots.trade_off(curves, rows, target)
    return tables
