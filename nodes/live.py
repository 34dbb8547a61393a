"""The guidance-norm curve while it grows, for the node in the page that samples."""

import math
import time
from typing import Any

try:
    from server import PromptServer
except ImportError:  # the sampling library alone, without the ComfyUI server
    PromptServer = None

from ..samplers.guidance import rms
from ..samplers.trace import RunTrace, finite_or_none

EVENT = "basin_escape.curve"
SECONDS_BETWEEN_MESSAGES = 0.05


def live_curve(node_id: str | None) -> "LiveCurve | None":
    """A listener for the traces of node `node_id`; None where there is no server or no node."""
    if PromptServer is None or node_id is None:
        return None
    return LiveCurve(node_id, PromptServer.instance)


class LiveCurve:
    """Tells the page of a run, at most twenty times a second, and nobody where no page listens."""

    def __init__(self, node_id: str, server: Any):
        self.node_id, self.server = node_id, server
        self.current, self.told, self.last = None, 0, -math.inf

    def due(self) -> bool:
        return self._heard() and time.monotonic() - self.last >= SECONDS_BETWEEN_MESSAGES

    def _heard(self) -> bool:
        return self.server.client_id in self.server.sockets

    def __call__(self, run: RunTrace, ended: bool) -> None:
        if run is not self.current:
            self.current, self.told = run, 0
        steps = run.steps
        if self._heard() and (ended or steps > self.told):
            data = {"node": self.node_id, **message(run, self.told, ended)}
            self.server.send_sync(EVENT, data, self.server.client_id)
            self.told = steps
        self.last = time.monotonic()


def message(run: RunTrace, first: int, ended: bool) -> dict[str, Any]:
    """The observations of a run from the one numbered `first` on, and its decisions so far; no NaN.

    timesteps [steps] on the scale from 1000 to 0, norms [steps][batch] in RMS, None where a pass was skipped.
    """
    timesteps, norms = run.quantity("timestep")[first:, 0], rms(run.quantity("guidance_norm")[first:], run.elements)
    return {
        "first": first,
        "timesteps": [round(timestep, 1) for timestep in timesteps.tolist()],
        "norms": [[finite_or_none(float(f"{norm:.4g}")) for norm in row] for row in norms.tolist()],
        "transition_step": run.transition_step.tolist(),
        "gated": run.gated.tolist(),
        "transition": run.settings.transition,
        "ended": ended,
    }
