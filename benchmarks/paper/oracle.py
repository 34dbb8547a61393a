"""How far the rules are from the oracle: the first step from which CFG never copies again, found by trying all."""

from collections.abc import Callable
from functools import cache

import numpy as np
import torch
from torch import Tensor

from ...samplers.guidance import norm, pull
from ...samplers.settings import DYNAMIC, ESCAPE
from ..statistics import mean, with_interval
from .cache import Job, swept
from .methods import NO_DEADLINE, at, method, oracle, transition_step
from .plan import Size, main_jobs, other_jobs, other_models, variations
from .sweep import Condition

loaded = cache(swept)


def first(true: Tensor) -> Tensor:
    """[steps, starts] bool -> [starts]: the first step that is true, `steps` for none."""
    return torch.where(true.any(0), true.int().argmax(0), len(true))


def by_settings(transition: str) -> Callable[[dict, Condition], Tensor]:
    settings = method("", "zero", transition, latest_percent=NO_DEADLINE).settings
    return lambda sweep, chosen: transition_step(sweep, settings, chosen)


def distance(sweep: dict[str, Tensor]) -> Tensor:
    """|D_u - D_c|: [steps, starts]."""
    return norm((sweep["uncond"] - sweep["cond"]).flatten(0, 1)).view(len(sweep["sigma"]), -1)


def minimum_after_a_fall(sweep: dict[str, Tensor], chosen: Condition) -> Tensor:
    """Algorithm 1 with the simplest repair: a minimum counts below 65 % of the highest norm so far."""
    d = distance(sweep) / sweep["sigma"][:, None]
    minimum = (d[:-2] > d[1:-1]) & (d[1:-1] < d[2:]) & (d[1:-1] < 0.65 * d.cummax(0).values[1:-1])
    return first(torch.cat([torch.zeros(2, d.shape[1], dtype=torch.bool), minimum]))


def half_fall(sweep: dict[str, Tensor], chosen: Condition) -> Tensor:
    """Where the distance of the two denoised predictions is below half its highest value so far."""
    r = distance(sweep)
    return first(r < 0.5 * r.cummax(0).values)


def half_of_the_way(sweep: dict[str, Tensor], chosen: Condition) -> Tensor:
    """Escape with a stricter line: guidance goes less than half of the way to the first conditional prediction."""
    cond, uncond = sweep["cond"], sweep["uncond"]
    pulls = torch.stack([pull(c - u, u, cond[0]) for c, u in zip(cond, uncond, strict=True)])
    return first(chosen.cfg * pulls < 0.5)


RULES = {
    "Algorithm 1 (dynamic)": by_settings(DYNAMIC),
    "a minimum after a fall by 35 %": minimum_after_a_fall,
    "half of the distance of the predictions": half_fall,
    "escape": by_settings(ESCAPE),
    "escape at half of the way": half_of_the_way,
}


def conditions(name: str, size: Size) -> dict[str, list[Job]]:
    """What the rules are judged on: memorized held-out captions, under every sampler, scale and kind of guidance."""
    chosen = {before: main_jobs(name, before, "memorized", size) for before in size.befores if before != "conditional"}
    others = variations(name, size) | other_models(name, size)
    return chosen | {label: other_jobs(other, size) for label, other in others.items()}


def errors(jobs: list[Job]) -> dict[str, dict[str, np.ndarray]]:
    """By rule, [captions, starts] each: transition and oracle step, and whether and how the result is right."""
    table: dict[str, dict[str, list]] = {rule: {} for rule in RULES}
    for job in jobs:
        sweep = loaded(job)
        best = oracle(sweep["copied"])
        for rule, choose in RULES.items():
            step = choose(sweep, job.condition)
            found = {"step": step, "oracle": best, "steps": torch.full_like(step, job.condition.steps)}
            found |= {name: at(sweep[name], step) for name in ("copied", "alignment")}
            for name, values in found.items():
                table[rule].setdefault(name, []).append(values.numpy())
    return {rule: {name: np.stack(rows) for name, rows in found.items()} for rule, found in table.items()}


KEYS = ("step", "oracle", "steps", "copied", "alignment")
MEASURES = {
    "copied": lambda e: mean(e["copied"]),
    "missed": lambda e: mean(e["step"] == e["steps"]),
    "too early": lambda e: mean(e["step"] < e["oracle"]),
    "error": lambda e: mean((e["step"] - e["oracle"]).astype(float)),
    "absolute error": lambda e: mean(np.abs(e["step"] - e["oracle"]).astype(float)),
    "within two": lambda e: mean(np.abs(e["step"] - e["oracle"]) <= 2),
    "alignment of escaped": lambda e: mean(e["alignment"][~e["copied"]]),
}


def error_rows(name: str, size: Size) -> list[dict]:
    """A row per condition and rule, and one of all conditions: every measure with its interval, the oracle's mean step.

    In the last rows, the starts of a caption in all conditions count as its starts.
    """
    tables = {label: errors(jobs) for label, jobs in conditions(name, size).items()}
    every = {
        rule: {key: np.concatenate([table[rule][key] for table in tables.values()], 1) for key in KEYS}
        for rule in RULES
    }
    rows = []
    for label, found in {**tables, "all": every}.items():
        for rule, table in found.items():
            flat = {key: values.ravel() for key, values in table.items()}
            row: dict = {"condition": label, "rule": rule, "starts": len(flat["step"]), "oracle": mean(flat["oracle"])}
            for measure, compute in MEASURES.items():
                drawn = lambda index, f=compute, flat=flat: f({key: values[index] for key, values in flat.items()})  # noqa: E731
                row[measure] = with_interval(drawn, table["step"].shape, size.resamples)
            rows.append(row)
    return rows
