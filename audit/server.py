"""One running ComfyUI: queue a graph, wait for its end, fetch what it made."""

import time
import urllib.parse
from collections.abc import Callable

from .web import PromptFailed, ServerFailed, Web, reasons

SLOWEST_POLL = 1.0  # seconds


class Stopped(Exception):
    """Whoever waited does not want it any more."""


class Server(Web):
    def run(self, graph: dict, seconds: float, stopped: Callable[[], bool] = lambda: False) -> dict[str, dict]:
        """The outputs of a graph by node. Whatever ends the wait takes the graph from the queue.

        Raises PromptFailed, ServerFailed (after `seconds` too), and Stopped once `stopped` is true.
        """
        answer = self.ask("/prompt", {"prompt": graph})
        prompt_id = answer.get("prompt_id")
        if not isinstance(prompt_id, str):
            raise ServerFailed(f"{self.url} took a prompt and gave it no number")
        try:
            if answer.get("node_errors"):  # it would run the rest of the graph
                raise PromptFailed(reasons(answer["node_errors"]))
            return self._outcome(self._wait(prompt_id, seconds, stopped))
        except BaseException:
            self.wish("/queue", {"delete": [prompt_id]})
            self.wish("/interrupt", {"prompt_id": prompt_id})
            raise
        finally:
            self.wish("/history", {"delete": [prompt_id]})

    def _wait(self, prompt_id: str, seconds: float, stopped: Callable[[], bool]) -> dict:
        deadline, pause = time.monotonic() + seconds, 0.05
        while time.monotonic() < deadline:
            if stopped():
                raise Stopped
            # In this order: a prompt that ends in between is in the history.
            queue = self.ask("/queue")
            if entry := self.ask(f"/history/{prompt_id}").get(prompt_id):
                return entry
            waiting = [item[1] for name in ("queue_running", "queue_pending") for item in queue[name]]
            if prompt_id not in waiting:
                raise ServerFailed(f"{self.url} knows nothing of its prompt any more")
            time.sleep(pause)
            pause = min(pause * 1.3, SLOWEST_POLL)
        raise ServerFailed(f"{self.url} was not done after {seconds:g} seconds")

    def _outcome(self, entry: dict) -> dict[str, dict]:
        status = entry["status"]
        if status["status_str"] == "success":
            return entry["outputs"]
        for kind, details in status["messages"]:
            if kind == "execution_error":
                raise PromptFailed(f"{details['node_type']}: {details['exception_message']}".strip())
        raise ServerFailed(f"{self.url} was interrupted")

    def fetch(self, output: dict) -> bytes:
        """The file of the only picture of a node's output. Raises PromptFailed for several."""
        if len(output["images"]) != 1:
            raise PromptFailed(f"there are {len(output['images'])} pictures for one seed: set batch_size to 1.")
        place = {name: str(output["images"][0][name]) for name in ("filename", "subfolder", "type")}
        return self.read("/view?" + urllib.parse.urlencode(place))

    def missing(self, classes: set[str]) -> list[str]:
        """Those of these nodes that the server does not have."""
        quoted = {name: urllib.parse.quote(name, safe="") for name in sorted(classes)}
        return [name for name in quoted if name not in self.ask(f"/object_info/{quoted[name]}")]

    def inputs(self, class_type: str) -> dict[str, dict]:
        """What a node that it has takes: {"required": {name: [type or choices, options]}, "optional": ...}."""
        return self.ask(f"/object_info/{urllib.parse.quote(class_type, safe='')}")[class_type]["input"]

    def versions(self) -> dict[str, str]:
        """What the server says of itself."""
        system = self.ask("/system_stats").get("system")
        if not isinstance(system, dict):
            raise ServerFailed(f"{self.url} is no ComfyUI")
        names = ("comfyui_version", "pytorch_version", "python_version", "os")
        return {name: str(system[name])[:100] for name in names if name in system}

    def answers(self) -> bool:
        try:
            return bool(self.versions())
        except (ServerFailed, PromptFailed):
            return False
