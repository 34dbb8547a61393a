"""Questions to a server over HTTP, and what an answer may be.

What fails is told apart: PromptFailed, the server refuses with a reason, while it may do other things; ServerFailed, it
is gone, hangs, or answers what no ComfyUI answers.
"""

import contextlib
import http.client
import json
import time
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

ANSWER_SECONDS = 30.0  # a server that says nothing for so long hangs
FAREWELL_SECONDS = 3.0
LARGEST = 100_000_000  # bytes of an answer


class PromptFailed(Exception):
    """The server refused a graph, or could not run it."""


class ServerFailed(Exception):
    """The server did not do its part."""


def reasons(node_errors: dict) -> str:
    """Why nodes do not run, from what ComfyUI answers."""
    found = [(node["class_type"], each) for node in node_errors.values() for each in node["errors"]]
    return "; ".join(f"{name}: {each['message']} {each['details']}" for name, each in found)


class Web:
    """Raises ValueError for an address that is none of the web."""

    def __init__(self, url: str, answer_seconds: float = ANSWER_SECONDS):
        self.url, self.answer_seconds = url.rstrip("/"), answer_seconds
        if urllib.parse.urlsplit(self.url).scheme not in ("http", "https"):
            raise ValueError(f"server is {url}: write an address such as http://127.0.0.1:8188.")

    def ask(self, path: str, data: dict | None = None) -> dict[str, Any]:
        """What the server answers in JSON. Raises PromptFailed where it refuses, ServerFailed where that is none."""
        try:
            answer = json.loads(self.read(path, data))
        except (ValueError, RecursionError) as error:
            raise ServerFailed(f"{self.url} does not answer in JSON") from error
        if not isinstance(answer, dict):
            raise ServerFailed(f"{self.url} is no ComfyUI")
        return answer

    def wish(self, path: str, data: dict) -> None:
        """On the way out: a server that is gone cannot fulfil it."""
        with contextlib.suppress(ServerFailed, PromptFailed):
            self.read(path, data, FAREWELL_SECONDS)

    def read(self, path: str, data: dict | None = None, seconds: float | None = None) -> bytes:
        """The bytes of an answer. Raises as `ask`."""
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
