"""The paper's four scenarios on exact models of their causes, in the shape of its Tables 1 to 4."""

from pathlib import Path

import numpy as np
import torch

from ...samplers.guidance import rms
from ...testbed.captions import MEMORIZED_CAPTIONS
from ...testbed.scenarios import COPIES
from ..statistics import mean
from ..testbeds import testbed
from .drawing import new, norms, over_time, save, timesteps
from .methods import NO_DEADLINE, SweptMethod, method, oracle, static
from .oracle import distance, loaded
from .plan import SCENARIO_BEFORES, Size, scenario_jobs
from .table import outcome, row

STATIC_TIMESTEPS = (700, 600, 500)  # of the paper's Tables 1 and 2


def scenario_methods() -> list[SweptMethod]:
    rows = [method("no mitigation", "zero", "off")]
    rows += [static(before, t) for before in ("zero", "opposite 2") for t in STATIC_TIMESTEPS]
    for before in SCENARIO_BEFORES:
        rows += [
            method(f"{before} + {rule}", before, rule, latest_percent=NO_DEADLINE) for rule in ("dynamic", "escape")
        ]
    return rows


def scenario_rows(name: str, size: Size) -> list[dict]:
    """The main table's measures, and how many pictures copy *any* memorized image."""
    rows, bed = [], testbed(name)
    for chosen in scenario_methods():
        jobs = scenario_jobs(name, chosen.before, size)
        result = outcome(jobs, chosen)
        found = row(name, "memorized", chosen.name, result, size, [job.caption for job in jobs])
        any_copy = (bed.nearest(result.samples.flatten(0, 1), bed.memorized) > bed.copy_threshold).numpy()
        found["copied any"] = result.figure(lambda i, values=any_copy: mean(values[i]), size.resamples)
        rows.append(found)
    return rows


def transition_rows(size: Size) -> list[dict]:
    """Of each scenario under zero guidance: the first norm (RMS), and at which timesteps the oracle transitions lie.

    Median, lowest and highest.
    """
    rows = []
    for name in size.scenarios:
        sweeps = [loaded(job) for job in scenario_jobs(name, "zero", size)]
        t = np.append(timesteps(name, sweeps[0]["sigma"]), 0.0)
        steps = np.concatenate([oracle(sweep["copied"]).numpy() for sweep in sweeps])
        firsts = np.concatenate([first_norm(sweep) for sweep in sweeps])
        spread = {"first norm": firsts, "oracle transition t": t[steps]}
        rows.append(
            {"scenario": name, "starts": len(steps)}
            | {key: (float(np.median(v)), float(v.min()), float(v.max())) for key, v in spread.items()}
        )
    return rows


def first_norm(sweep: dict[str, torch.Tensor]) -> np.ndarray:
    """The guidance norm of the first step: [starts] in RMS."""
    return rms(distance(sweep)[0] / sweep["sigma"][0], sweep["x"][0, 0].numel()).numpy()


def copies_rows(size: Size) -> list[dict]:
    """Scenario 3, caption by caption: what the number of copies in the training set does."""
    name, rows = "duplicated items", []
    chosen = {m.name: outcome(scenario_jobs(name, m.before, size), m) for m in scenario_methods()}
    for index, job in enumerate(scenario_jobs(name, "zero", size)):
        copies = int(COPIES[MEMORIZED_CAPTIONS.index(job.caption)])
        line: dict = {"copies": copies, "first norm": float(first_norm(loaded(job)).mean())}
        labels = ("no mitigation", "zero + dynamic", "zero + escape", "opposite 2 + dynamic", "opposite 2 + escape")
        rows.append(line | {label: mean(chosen[label].copied[index]) for label in labels})
    return rows


def draw(size: Size, folder: Path) -> None:
    """Guidance norms under zero guidance: the paper's Figures 3 and 10 (static), 6a and 2 (dynamic)."""
    figure, [row] = new(1, len(size.scenarios), 3.2 * len(size.scenarios), 3.2, sharey=True)
    for axes, name in zip(row, size.scenarios, strict=True):
        t, curve = norms(scenario_jobs(name, "zero", size))
        axes.plot(t, curve["difference"].T, color="tab:red", alpha=0.35, linewidth=0.8)
        axes.plot(t, curve["difference"].mean(0), color="black", linewidth=2)
        over_time(axes, name)
    row[0].set_ylabel("guidance norm (RMS)")
    save(figure, folder, "norms")
