"""GUIDANCE_TRACE: what a run's guidance looked like, as numbers on the CPU that outlive the run."""

import json
import math
from collections import deque
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from .settings import Settings

SCHEMA = "basin-escape/guidance-trace"
VERSION = 1
RUNS_KEPT = 16

# The rows of an observation, in this order.
QUANTITIES = ("sigma", "timestep", "guidance_norm", "conditional_norm", "unconditional_norm", "scale", "pull")


@dataclass
class RunTrace:
    """One sampling run of a batch.

    observations     [steps, 7, batch] float32: of every observed step the rows of QUANTITIES; NaN where a pass
                     was skipped. The norms are L2; `scale` is the guidance scale that was applied (NaN
                     where the host does not tell its own); `pull` is towards the first conditional prediction,
                     and NaN where transition is not escape.
    transition_step  [batch] int: the observation from which CFG acted, -1 for never
    gated            [batch] bool: treated as not memorized, plain CFG throughout
    elements         number of elements of a sample: L2 = RMS * sqrt(elements)
    """

    settings: Settings
    cfg: float
    elements: int
    transition_step: Tensor
    gated: Tensor
    observations: Tensor

    def quantity(self, name: str) -> Tensor:
        """[steps, batch] values of one of QUANTITIES."""
        return self.observations[:, QUANTITIES.index(name)]

    def add(self, observations: Tensor, under_cfg: Tensor) -> None:
        """Take in further observations, [steps, 7, batch], and where a switch has been made in them, [steps, batch]."""
        first = len(self.observations) + under_cfg.int().argmax(0)
        switches = under_cfg.any(0) & (self.transition_step < 0)
        self.transition_step = torch.where(switches, first, self.transition_step)
        self.observations = torch.cat([self.observations, observations])

    def as_dict(self) -> dict[str, Any]:
        return {
            "settings": asdict(self.settings),
            "cfg": finite_or_none(self.cfg),
            "elements": self.elements,
            "transition_step": self.transition_step.tolist(),
            "gated": self.gated.tolist(),
            **{name: _nested_finite_or_none(self.quantity(name).tolist()) for name in QUANTITIES},
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "RunTrace":
        # Traces of the first version have no pull.
        data = {"pull": [[None] * len(row) for row in data["sigma"]], **data}
        rows = torch.stack([torch.tensor(_nested_nan(data[name]), dtype=torch.float32) for name in QUANTITIES])
        transition_step = torch.tensor(data["transition_step"], dtype=torch.long)
        gated = torch.tensor(data["gated"], dtype=torch.bool)
        if rows.ndim != 3 or not rows.shape[2] == len(transition_step) == len(gated) > 0:
            raise ValueError("its lists differ in length, or are empty")
        if not ((transition_step >= -1) & (transition_step < rows.shape[1])).all():
            raise ValueError("its transition_step is no step of its lists")
        elements = data["elements"]
        if type(elements) is not int or not 0 < elements < 2**53:
            raise ValueError("its elements is no number of elements")
        cfg = math.nan if data["cfg"] is None else float(data["cfg"])
        return cls(
            Settings(**data["settings"]),
            cfg,
            elements,
            transition_step,
            gated,
            rows.movedim(0, 1),
        )


class Listener(Protocol):
    """Somebody who watches runs while they sample."""

    def due(self) -> bool:
        """Whether to be told now: only then are the numbers fetched from the model's device."""
        ...

    def __call__(self, run: RunTrace, ended: bool) -> None:
        """Called after model calls in which it was due, and at the end of a run."""
        ...


class GuidanceTrace:
    """A handle that collects the runs of one node, newest last; the oldest leave after RUNS_KEPT."""

    def __init__(self, runs: list[RunTrace] | None = None, listener: Listener | None = None):
        self._runs = deque(runs or [], maxlen=RUNS_KEPT)
        self.listener = listener

    @property
    def runs(self) -> list[RunTrace]:
        """The runs that had guidance to observe."""
        return [run for run in self._runs if len(run.observations)]

    def append(self, run: RunTrace) -> None:
        """Keep a run that has ended (where the host does not tell when one ends: that has begun)."""
        self._runs.append(run)
        if self.listener is not None and len(run.observations):
            self.listener(run, True)

    def to_json(self) -> str:
        """JSON text with the schema's name and version; NaN becomes null."""
        runs = [run.as_dict() for run in self.runs]
        return json.dumps({"schema": SCHEMA, "version": VERSION, "runs": runs}, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> "GuidanceTrace":
        """The trace that `to_json` wrote. Raises ValueError saying what is wrong with any other text."""
        try:
            data = json.loads(text, parse_constant=_no_constant)
            if data["schema"] != SCHEMA or data["version"] != VERSION:
                raise ValueError(f"its schema is {data['schema']!r}, version {data['version']!r}")
            return cls([RunTrace.from_dict(run) for run in data["runs"]])
        except (ValueError, KeyError, TypeError, RuntimeError, RecursionError, OverflowError) as error:
            reason = f"{error} is missing" if isinstance(error, KeyError) else str(error)[:200]
            raise ValueError(
                f"This is not a guidance trace of schema {SCHEMA}, version {VERSION}: {reason}. "
                "Save it again with the Save Guidance Trace node."
            ) from error


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def finite_or_none(value: float) -> float | None:
    """What JSON can hold of a number."""
    return value if math.isfinite(value) else None


def _nested_finite_or_none(rows: list[list[float]]) -> list[list[float | None]]:
    return [[finite_or_none(value) for value in row] for row in rows]


def _nested_nan(rows: list[list[float | None]]) -> list[list[float]]:
    return [[math.nan if value is None else value for value in row] for row in rows]
