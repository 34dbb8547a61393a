"""GUIDANCE_TRACE: what a run's guidance looked like, as numbers on the CPU that outlive the run."""

import json
import math
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor

from .fingerprint import Fingerprint
from .settings import Settings
from .status import Facts, Status, status

SCHEMA = "basin-escape/guidance-trace"
VERSION = 1
RUNS_KEPT = 16


@dataclass
class RunTrace:
    """One sampling run of a batch.

    series           by name, [steps, batch] float32, a row for every observed step; NaN where there was nothing to
                     observe (a pass was skipped, or its prediction left out). Every run has sigma, timestep (1000 to
                     0), guidance_norm, conditional_norm, unconditional_norm (L2) and scale (the guidance scale in
                     force; NaN where the host does not tell its own). A method adds what it watches: escape `pull`.
    transition_step  [batch] int: the observation from which CFG acted, -1 for never
    reasons          per sample, why it began there (transition.py names them), None while it has not
    gated            [batch] bool: treated as not memorized, plain CFG throughout
    elements         number of elements of a sample: L2 = RMS * sqrt(elements)
    facts            what the host's part knows of the run beside these numbers
    made             by which the latent is known that the run ended with; None where nobody tells
    """

    settings: Settings
    cfg: float
    elements: int
    transition_step: Tensor
    gated: Tensor
    series: dict[str, Tensor] = field(default_factory=dict)
    reasons: list[str | None] = field(default_factory=list)
    facts: Facts = field(default_factory=Facts)
    made: Fingerprint | None = None

    @property
    def status(self) -> Status:
        """What the node says of the run."""
        from_the_start = int(((self.transition_step == 0) & ~self.gated).sum())
        return status(self.settings, self.facts, int(self.gated.sum()), len(self.gated), from_the_start)

    @property
    def steps(self) -> int:
        """Number of observations."""
        return len(self.series["sigma"]) if self.series else 0

    def quantity(self, name: str) -> Tensor:
        """[steps, batch] values of a series. Raises KeyError for one that the run does not have."""
        return self.series[name]

    def add(self, series: dict[str, Tensor], under_cfg: Tensor) -> None:
        """Take in further observations, [steps, batch] each, and in which of them CFG acted by a switch, alike."""
        first = self.steps + under_cfg.int().argmax(0)
        switches = under_cfg.any(0) & (self.transition_step < 0)
        self.transition_step = torch.where(switches, first, self.transition_step)
        before = self.series or {name: values[:0] for name, values in series.items()}
        self.series = {name: torch.cat([before[name], values]) for name, values in series.items()}

    def as_dict(self) -> dict[str, Any]:
        return {
            "settings": asdict(self.settings),
            "cfg": finite_or_none(self.cfg),
            "elements": self.elements,
            "transition_step": self.transition_step.tolist(),
            "reasons": self.reasons,
            "gated": self.gated.tolist(),
            "status": self.status.text,
            **{name: rows_for_json(values) for name, values in self.series.items()},
        }


class Listener(Protocol):
    """Somebody who watches runs while they sample."""

    def due(self) -> bool:
        """Whether to be told now: only then are the numbers fetched from the model's device."""
        ...

    def __call__(self, run: RunTrace, ended: bool) -> None:
        """Called after model calls in which it was due, and at the end of a run, of one without observations too."""
        ...


class GuidanceTrace:
    """A handle that collects the runs of one node, newest last; the oldest leave after RUNS_KEPT.

    goes_on  further runs are added whenever something samples with what its node made (a patch, a guider)
    """

    def __init__(self, runs: Sequence[RunTrace] = (), listener: Listener | None = None, goes_on: bool = False):
        self._runs = deque(runs, maxlen=RUNS_KEPT)
        self.listener, self.goes_on = listener, goes_on

    @property
    def runs(self) -> list[RunTrace]:
        """The runs that had guidance to observe."""
        return [run for run in self._runs if run.steps]

    def append(self, run: RunTrace) -> None:
        """Keep a run that has ended (where the host does not tell when one ends: that has begun).

        The listener is told of an interrupted one too, which is not kept.
        """
        if not run.facts.interrupted:
            self._runs.append(run)
        if self.listener is not None:
            self.listener(run, True)

    def run_of(self, latent: Any) -> RunTrace | None:
        """The run that ended with this latent, the newest of equal ones; None where there is none."""
        made = [(run.made.distance(latent), run) for run in reversed(self.runs) if run.made]
        near = [pair for pair in made if pair[0] < math.inf]
        return min(near, key=lambda pair: pair[0])[1] if near else None

    def to_json(self) -> str:
        """JSON text with the schema's name and version; NaN becomes null."""
        runs = [run.as_dict() for run in self.runs]
        return json.dumps({"schema": SCHEMA, "version": VERSION, "runs": runs}, allow_nan=False)


def finite_or_none(value: float) -> float | None:
    """What JSON can hold of a number."""
    return value if math.isfinite(value) else None


def rows_for_json(values: Tensor) -> list[list[float | None]]:
    """[steps][batch] of a series."""
    return [[finite_or_none(value) for value in row] for row in values.tolist()]
