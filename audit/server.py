"""One running ComfyUI over its HTTP API: queue a graph, wait for its end, fetch what it made.

What fails is told apart: PromptFailed, this graph does not run on this server, while others may; ServerFailed, the
server is gone, hangs, or answers what no ComfyUI answers.
"""

import contextlib
import http.client
import json
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from typing import Any

ANSWER_SECONDS = 30.0  # a server that says nothing for so long hangs
FAREWELL_SECONDS = 3.0
LARGEST = 100_000_000  # bytes of an answer
SLOWEST_POLL = 1.0  # seconds


class PromptFailed(Exception):
    """The server refused a graph, or could not run it."""


class ServerFailed(Exception):
    """The server did not do its part."""


class Stopped(Exception):
    """Whoever waited does not want it any more."""


def reasons(node_errors: dict) -> str:
    """Why nodes do not run, from what ComfyUI answers."""
    found = [(node["class_type"], each) for node in node_errors.values() for each in node["errors"]]
    return "; ".join(f"{name}: {each['message']} {each['details']}" for name, each in found)


class Server:
    def __init__(self, url: str, answer_seconds: float = ANSWER_SECONDS):
        self.url, self.answer_seconds = url.rstrip("/"), answer_seconds
        if urllib.parse.urlsplit(self.url).scheme not in ("http", "https"):
            raise ValueError(f"server is {url}: write an address such as http://127.0.0.1:8188.")

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
            self._forget("/queue", {"delete": [prompt_id]})
            self._forget("/interrupt", {"prompt_id": prompt_id})
            raise
        finally:
            self._forget("/history", {"delete": [prompt_id]})

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
        return self._read("/view?" + urllib.parse.urlencode(place))

    def missing(self, classes: set[str]) -> list[str]:
        """Those of these nodes that the server does not have."""
        quoted = {name: urllib.parse.quote(name, safe="") for name in sorted(classes)}
        return [name for name in quoted if name not in self.ask(f"/object_info/{quoted[name]}")]

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

    def ask(self, path: str, data: dict | None = None) -> dict[str, Any]:
        """What the server answers in JSON. Raises PromptFailed where it refuses, ServerFailed where that is none."""
        try:
            answer = json.loads(self._read(path, data))
        except (ValueError, RecursionError) as error:
            raise ServerFailed(f"{self.url} does not answer in JSON") from error
        if not isinstance(answer, dict):
            raise ServerFailed(f"{self.url} is no ComfyUI")
        return answer

    def _forget(self, path: str, data: dict) -> None:
        """A wish on the way out, which a server that is gone cannot fulfil."""
        with contextlib.suppress(ServerFailed, PromptFailed):
            self._read(path, data, FAREWELL_SECONDS)

    def _read(self, path: str, data: dict | None = None, seconds: float | None = None) -> bytes:
        body, seconds = None if data is None else json.dumps(data).encode(), seconds or self.answer_seconds
        request = urllib.request.Request(self.url + path, body, {"Content-Type": "application/json"})
        deadline = time.monotonic() + 10 * seconds
        parts, size = [], 0
        try:
            with urllib.request.urlopen(request, timeout=seconds) as response:
                while part := response.read1(1 << 16):
                    parts.append(part)
                    size += len(part)
                    if size > LARGEST or time.monotonic() > deadline:
                        raise ServerFailed(f"{self.url} sends without an end")
        except urllib.error.HTTPError as error:
            raise self._refused(error) from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise ServerFailed(f"{self.url} does not answer ({error})") from error
        return b"".join(parts)

    def _refused(self, error: urllib.error.HTTPError) -> Exception:
        """What an answer means that is no success: with reasons it is ComfyUI's to a graph that does not run."""
        try:
            answer = json.loads(error.read(LARGEST))
            return PromptFailed(reasons(answer["node_errors"]) or str(answer["error"]["message"]))
        except (OSError, http.client.HTTPException, ValueError, LookupError, TypeError, AttributeError):
            return ServerFailed(f"{self.url} answers with error {error.code}")
