"""The guidance-norm curve while it grows, for the node in the page that samples."""

import math
import time
from collections.abc import Callable
from typing import Any

try:
    from server import PromptServer
except ImportError:  # the sampling library alone, without the ComfyUI server
    PromptServer = None

from ..samplers.guidance import rms
from ..samplers.trace import RunTrace, finite_or_none

EVENT = "basin_escape.curve"
SECONDS_BETWEEN_MESSAGES = 0.05


def live_curve(node_id: str | None) -> Callable[[RunTrace, bool], None] | None:
    """A listener for the traces of node `node_id` that tells the page, at most twenty times a second.

    None where there is no server or no node. Where no page listens, a call costs a look-up.
    """
    if PromptServer is None or node_id is None:
        return None
    server = PromptServer.instance
    current, told, last = None, 0, -math.inf

    def tell(run: RunTrace, ended: bool) -> None:
        nonlocal current, told, last
        if server.client_id not in server.sockets:
            return
        if run is not current:
            current, told = run, 0
        now = time.monotonic()
        if ended or now - last >= SECONDS_BETWEEN_MESSAGES:
            server.send_sync(EVENT, {"node": node_id, **message(run, told, ended)}, server.client_id)
            told, last = len(run.observations), now

    return tell


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
