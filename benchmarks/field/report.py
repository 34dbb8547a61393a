"""The tables and the figure of all methods."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ..paper import page
from .choose import front
from .plan import EXACT, FAMILIES, Job

MERIT = ["copied", "similarity mean", "similarity 95pc", "alignment", "alignment of escaped", "diversity"]
COLUMNS = ["method", "setting", *MERIT, "ordinary", "calls", "backward", "time", "memory", "unbeaten"]
Row = dict[str, Any]


def rows_of(condition: str, finals: Sequence[Job], costs: Sequence[dict[str, float]]) -> list[Row]:
    """A row for each method on a testbed; costs: of the same methods, plain CFG = 1."""
    memorized, ordinary = ([job for job in finals if job.kind == kind] for kind in ("memorized", "ordinary"))
    rows = []
    for job, beside, cost in zip(memorized, ordinary, costs, strict=True):
        found = job.evaluation().row()
        row = {"method": FAMILIES[job.family].name, "setting": job.method.name}
        row |= {name: found.get(name, "") for name in MERIT} | {"ordinary": beside.evaluation().row()["alignment"]}
        rows.append(row | {"calls": found["model calls"], "backward": found["backward passes"]} | cost)
    plain = rows[0]["calls"]
    for row in rows:
        row |= {"calls": row["calls"] / plain, "backward": row["backward"] / plain}
    _mark_front(rows)
    return rows + [_absent(family.name) for family in FAMILIES if family.attention and condition == EXACT]


def _mark_front(rows: Sequence[Row]) -> None:
    """unbeaten: at any price, or by all rows that ask the network no more often, forward and backward."""
    points = [(row["copied"][0], row["similarity 95pc"][0], -row["alignment"][0]) for row in rows]
    priced = [(*point, row["calls"] + row["backward"]) for point, row in zip(points, rows, strict=True)]
    for row, best, at_its_price in zip(rows, front(points), front(priced), strict=True):
        row["unbeaten"] = "yes" if best else "at its price" if at_its_price else ""


def _absent(name: str) -> Row:
    return {"method": name, "setting": "this testbed has no attention"}


def report(trials: Sequence[tuple[Job, Row]], tables: dict[str, list[Row]], target: Path) -> None:
    """Write the CSVs, tables.json for the page, and the figure."""
    target.mkdir(parents=True, exist_ok=True)
    tried = [
        {"testbed": job.condition, "method": FAMILIES[job.family].name, "setting": job.method.name}
        | {key: row[key] for key in ("copied", "similarity 95pc", "alignment", "model calls")}
        for job, row in trials
    ]
    page.write_csv(tried, target / "tuning.csv")
    for condition, rows in tables.items():
        page.write_csv(rows, target / f"{condition.replace(' ', '-')}.csv")
    texts = {f"field {condition}": page.markdown(rows, COLUMNS) for condition, rows in tables.items()}
    page.write_json(texts, target / "tables.json")
    trade_off(tried, tables, target / "trade-off.png")


def trade_off(tried: Sequence[Row], tables: dict[str, list[Row]], path: Path) -> None:
    """Copied against alignment: the settings of each method as a thin curve (tuning), the chosen one as a dot."""
    figure = Figure(figsize=(6 * len(tables) + 3, 6), dpi=90, layout="constrained")
    FigureCanvasAgg(figure)
    names = [family.name for family in FAMILIES]
    colours = {name: f"C{k % 10}" for k, name in enumerate(names)}
    markers = {name: "os^v"[k // 10] for k, name in enumerate(names)}
    for axes, (condition, rows) in zip(figure.subplots(1, len(tables), squeeze=False)[0], tables.items(), strict=True):
        for row in rows:
            if "copied" not in row:
                continue
            name = row["method"]
            settings = [r for r in tried if (r["testbed"], r["method"]) == (condition, name)]
            curve = sorted((r["copied"][0], r["alignment"][0]) for r in settings)
            axes.plot(*zip(*curve, strict=True), "-", color=colours[name], alpha=0.35, linewidth=1)
            big = 13 if name.startswith("orthogonal") else 7
            x, y = row["copied"][0], row["alignment"][0]
            axes.plot(x, y, markers[name], color=colours[name], markersize=big, label=name)
        axes.set(title=condition, xlabel="copied", xlim=(-0.03, 1.03), ylim=(0, 1.05))
        axes.grid(alpha=0.3)
    figure.axes[0].set_ylabel("alignment with the prompt")
    named = {name: dot for axes in figure.axes for dot, name in zip(*axes.get_legend_handles_labels(), strict=True)}
    figure.legend(
        [named[name] for name in names if name in named],
        [name for name in names if name in named],
        fontsize=8,
        loc="outside right upper",
    )
    figure.savefig(path, metadata={"Software": None})
