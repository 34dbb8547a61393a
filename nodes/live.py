"""The curve of a run while it grows, for the node in the page that samples."""

import math
import time
import uuid
from typing import Any

try:
    from server import PromptServer
except ImportError:  # the sampling library alone, without the ComfyUI server
    PromptServer = None

from ..samplers.guidance import rms
from ..samplers.trace import RunTrace, finite_or_none
from ..samplers.words import describe

EVENT = "basin_escape.curve"
MARK = "basin_escape_mark"  # as in web/js/page.js
SECONDS_BETWEEN_MESSAGES = 0.05
# A page that was opened in the middle of a run gets all of it with the next whole message. A long run takes long to be
# told: at most a twentieth of the time goes into it.
SECONDS_BETWEEN_WHOLE_MESSAGES = 1.0
SHARE_OF_WHOLE_MESSAGES = 20
# What the page draws of a run, where it is there; norms in RMS.
NORM = "guidance_norm"
SHOWN = (NORM, "first_pull")


def live_curve(node_id: str | None) -> "LiveCurve | None":
    """A listener for the traces of node `node_id`; None where there is no server or no node."""
    if PromptServer is None or node_id is None:
        return None
    return LiveCurve(node_id, PromptServer.instance)


class LiveCurve:
    """Tells the page of a run, at most twenty times a second, and nobody where no page listens."""

    def __init__(self, node_id: str, server: Any):
        self.node_id, self.server = node_id, server
        self.current, self.run_id, self.told, self.origin = None, "", 0, {}
        self.last, self.next_whole = -math.inf, -math.inf

    def due(self) -> bool:
        return self._heard() and time.monotonic() - self.last >= SECONDS_BETWEEN_MESSAGES

    def _heard(self) -> bool:
        return self.server.client_id in self.server.sockets

    def __call__(self, run: RunTrace, ended: bool) -> None:
        if run is not self.current:
            self.current, self.run_id, self.told = run, uuid.uuid4().hex, 0
            self.origin = origin(self.server)
        if self._heard() and (ended or run.steps > self.told):
            self._tell(run, ended)
        self.last = time.monotonic()
        if ended:
            self.current = None  # it may be large

    def _tell(self, run: RunTrace, ended: bool) -> None:
        started = time.monotonic()
        whole = ended or started >= self.next_whole
        data = {
            **self.origin,
            "run": self.run_id,
            "node": self.node_id,
            **message(run, 0 if whole else self.told, ended),
        }
        self.server.send_sync(EVENT, data, self.server.client_id)
        self.told = run.steps
        if whole:
            now = time.monotonic()
            pause = max(SECONDS_BETWEEN_WHOLE_MESSAGES, SHARE_OF_WHOLE_MESSAGES * (now - started))
            self.next_whole = now + pause


def origin(server: Any) -> dict[str, str | None]:
    """Where the prompt that is running comes from: prompt_id, workflow (its id), and mark, what the page wrote into the
    workflow's `extra` to tell its tabs apart; None for what a prompt does not say.

    Asked of the server and not of the node, which may be a cached one of an earlier prompt.
    """
    prompt_id = getattr(server, "last_prompt_id", None)
    running = {item[1]: item[3] for item in list(server.prompt_queue.currently_running.values())}
    workflow = (running.get(prompt_id, {}).get("extra_pnginfo") or {}).get("workflow") or {}
    mark = (workflow.get("extra") or {}).get(MARK)
    return {"prompt_id": prompt_id, "workflow": workflow.get("id"), "mark": mark}


def message(run: RunTrace, first: int, ended: bool) -> dict[str, Any]:
    """The observations of a run from the one numbered `first` on, and its decisions so far; no NaN.

    timesteps [steps] on the scale from 1000 to 0; series by name, [steps][batch], None where a pass was skipped;
    threshold of the gate in RMS, None where there is none; status {"kind", "sentences"}: what the run says of itself.
    """
    settings, status, interrupted = run.settings, run.status, run.facts.interrupted
    timesteps = run.quantity("timestep")[first:, 0].tolist() if run.steps else []
    return {
        "first": first,
        "timesteps": [round(timestep, 1) for timestep in timesteps],
        "series": {name: _rows(run, name, first) for name in SHOWN if name in run.series},
        "threshold": (settings.memorization_threshold or None) if settings.mitigates else None,
        "mitigates": settings.mitigates,
        "transition_step": run.transition_step.tolist(),
        "reasons": run.reasons,
        "gated": run.gated.tolist(),
        "words": describe(run, ended) if run.steps and not interrupted else "",
        "status": {"kind": status.kind, "sentences": status.sentences},
        "ended": ended,
        "interrupted": interrupted,
    }


def _rows(run: RunTrace, name: str, first: int) -> list[list[float | None]]:
    values = run.quantity(name)[first:]
    if name == NORM:
        values = rms(values, run.elements)
    return [[finite_or_none(float(f"{value:.4g}")) for value in row] for row in values.tolist()]
