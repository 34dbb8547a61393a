"""The tables and the trade-off figure of the comparison."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ..paper import page
from .plan import MAIN, OURS, PLAIN, STATIC, STRENGTHS, Job

MERIT = ["condition", "method", "copied", "similarity 95pc", "alignment", "alignment of escaped", "model calls"]
TABLES = ("choices", "tuning", "memorized", "ordinary", "samplers", "scenarios")
Rows = dict[str, list[dict]]


def report(jobs: Sequence[Job], target: Path) -> None:
    """Write a CSV for each table, tables.json for the page, and the figure."""
    rows: Rows = {table: [] for table in TABLES}
    for job in jobs:
        rows[job.table].append({"condition": job.condition, **job.evaluation().row()})
    target.mkdir(parents=True, exist_ok=True)
    for table, found in rows.items():
        if found:
            order = {condition: place for place, condition in enumerate(dict.fromkeys(r["condition"] for r in found))}
            found.sort(key=lambda row, order=order: order[row["condition"]])
            page.write_csv(
                [{k: v for k, v in row.items() if k not in ("seconds", "memory MB")} for row in found],
                target / f"{table}.csv",
            )
    tables = {f"methods {table}": page.markdown(found, MERIT) for table, found in rows.items() if found}
    page.write_json(tables, target / "tables.json")
    trade_off(rows["memorized"], target / "trade-off.png")


def trade_off(rows: list[dict], path: Path) -> None:
    """Copies against alignment: a curve of each method over its strength, points for the others; held-out captions."""
    shown = [condition for condition in MAIN if any(row["condition"] == condition for row in rows)]
    figure = Figure(figsize=(4.2 * len(shown), 4.4), dpi=90, layout="constrained")
    FigureCanvasAgg(figure)
    for axes, condition in zip(figure.subplots(1, len(shown), squeeze=False)[0], shown, strict=True):
        found = {row["method"]: row for row in rows if row["condition"] == condition}
        curves = {"orthogonal guidance, by repulsion": STRENGTHS, "zero guidance, static by t": STATIC}
        for (label, methods), colour in zip(curves.items(), ("tab:green", "tab:blue"), strict=True):
            curve = [found[method.name] for method in methods if method.name in found]
            _draw(axes, curve, "o-", colour, label)
        points = [row for name, row in found.items() if not name.startswith(("orthogonal", "zero + static"))]
        for row, marker in zip(points, "Xsd^v", strict=False):
            _draw(axes, [row], marker, "black" if row["method"] == PLAIN.name else "tab:orange", row["method"])
        _draw(axes, [found[OURS.name]], "*", "tab:green", f"{OURS.name}: the default", size=14)
        axes.set(title=condition, xlabel="copied", xlim=(-0.05, 1.05), ylim=(0, 1.05))
        axes.grid(alpha=0.3)
    figure.axes[0].set_ylabel("alignment with the prompt")
    figure.axes[0].legend(fontsize=7, loc="lower right")
    figure.savefig(path, metadata={"Software": None})


def _draw(axes, rows: list[dict], marker: str, colour: str, label: str, size: float = 7) -> None:
    """Points with their 95 % intervals in both directions."""
    x, y = ([row[key][0] for row in rows] for key in ("copied", "alignment"))
    spread = [
        [[max(row[key][0] - row[key][1], 0) for row in rows], [max(row[key][2] - row[key][0], 0) for row in rows]]
        for key in ("copied", "alignment")
    ]
    axes.errorbar(x, y, spread[1], spread[0], fmt=marker, color=colour, label=label, markersize=size, elinewidth=0.8)
