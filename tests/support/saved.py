"""Traces as Save Guidance Trace wrote them, as runs again."""

import json
import math

import torch
from basin_escape.samplers.settings import Settings
from basin_escape.samplers.trace import SCHEMA, VERSION, GuidanceTrace, RunTrace

NOT_SERIES = ("settings", "cfg", "elements", "transition_step", "reasons", "gated", "status")


def read_trace(path):
    """The trace of a file, as GuidanceTrace."""
    data = json.loads(path.read_text(encoding="utf-8"), parse_constant=lambda name: 1 / 0)
    assert (data["schema"], data["version"]) == (SCHEMA, VERSION)
    return GuidanceTrace([read_run(run) for run in data["runs"]])


def read_run(run):
    series = {name: tensor(rows) for name, rows in run.items() if name not in NOT_SERIES}
    cfg = math.nan if run["cfg"] is None else run["cfg"]
    steps, gated = torch.tensor(run["transition_step"]), torch.tensor(run["gated"])
    return RunTrace(Settings(**run["settings"]), cfg, run["elements"], steps, gated, series, run["reasons"])


def tensor(rows):
    return torch.tensor([[math.nan if value is None else value for value in row] for row in rows])
