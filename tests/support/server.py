"""A ComfyUI of its own for the server and browser tests: a checkout, this pack, and empty folders."""

import asyncio
import json
import os
import socket
import struct
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
from basin_escape.tools.pack import ROOT

START_SECONDS = 120
PROMPT_SECONDS = 300


def fill(base: Path) -> None:
    """What a ComfyUI finds in its base directory: this pack, and nothing else."""
    for folder in ("custom_nodes", "models", "input", "output", "temp", "user"):
        (base / folder).mkdir()
    (base / "custom_nodes" / "comfyui-basin-escape").symlink_to(ROOT, target_is_directory=True)


class ComfyUIServer:
    """Runs the checkout COMFYUI_PATH with the interpreter COMFYUI_PYTHON, in the empty folder `base`."""

    def __init__(self, base: Path):
        self.checkout = Path(os.environ["COMFYUI_PATH"]).resolve()
        python = os.environ["COMFYUI_PYTHON"]
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.base, self.url = base, f"http://127.0.0.1:{self.port}"
        fill(base)
        self.log = (base / "server.log").open("w")
        command = [python, "main.py", "--cpu", "--port", str(self.port), "--base-directory", str(base)]
        command += ["--preview-method", "latent2rgb", "--disable-api-nodes"]
        self.process = subprocess.Popen(command, cwd=self.checkout, stdout=self.log, stderr=subprocess.STDOUT)
        self._wait_until_up()

    def _wait_until_up(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                self.get("/system_stats")
                return
            except urllib.error.URLError:
                time.sleep(0.5)
        self.stop()
        raise RuntimeError(f"ComfyUI did not start:\n{self.read_log()}")

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()
        self.log.close()

    def read_log(self) -> str:
        return (self.base / "server.log").read_text(errors="replace")

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(self.url + path) as response:
            return json.load(response)

    def get_bytes(self, path: str) -> bytes:
        with urllib.request.urlopen(self.url + path) as response:
            return response.read()

    def post(self, path: str, data: Any) -> Any:
        request = urllib.request.Request(
            self.url + path, json.dumps(data).encode(), {"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request) as response:
                body = response.read()
                return json.loads(body) if body else None
        except urllib.error.HTTPError as error:
            return json.load(error)

    def wait(self, prompt_id: str) -> dict:
        """The history of a queued prompt, once it has ended."""
        return self.until(lambda: self.get(f"/history/{prompt_id}").get(prompt_id))

    def wait_until_idle(self) -> None:
        self.until(lambda: not any(self.get("/queue").values()))

    def until(self, condition: Callable[[], Any], seconds: float = PROMPT_SECONDS) -> Any:
        """What `condition` returns once it is true."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if result := condition():
                return result
            time.sleep(0.05)
        raise RuntimeError("the server is still at it")

    def run(self, prompt: dict, on_message=None) -> tuple[list[dict], int]:
        """Queue a prompt and wait for its end. Returns the websocket's messages and the number of previews."""
        return asyncio.run(asyncio.wait_for(self._run(prompt, on_message), PROMPT_SECONDS))

    async def _run(self, prompt: dict, on_message) -> tuple[list[dict], int]:
        messages, previews, client = [], 0, f"test-{time.monotonic_ns()}"
        async with aiohttp.ClientSession() as session, session.ws_connect(f"{self.url}/ws?clientId={client}") as socket:
            answer = await asyncio.to_thread(self.post, "/prompt", {"prompt": prompt, "client_id": client})
            if "prompt_id" not in answer:
                raise ValueError(json.dumps(answer))
            async for message in socket:
                if message.type is aiohttp.WSMsgType.BINARY:
                    if (text := text_of(message.data)) is None:
                        previews += 1
                    else:
                        messages.append(text)
                    continue
                event = json.loads(message.data)
                messages.append(event)
                if on_message:
                    await asyncio.to_thread(on_message, event)
                ended = event["type"] in ("execution_success", "execution_error", "execution_interrupted")
                if ended and event["data"]["prompt_id"] == answer["prompt_id"]:
                    return messages, previews
        raise RuntimeError("the websocket closed before the prompt ended")


def text_of(message: bytes) -> dict | None:
    """A text for a node (kind 3) as an event; None for a preview."""
    kind, length = struct.unpack(">II", message[:8])
    if kind != 3:
        return None
    return {"type": "text", "data": {"node": message[8 : 8 + length].decode(), "text": message[8 + length :].decode()}}


def ui_to_api(workflow: dict, object_info: dict) -> dict:
    """A saved workflow as the prompt that the page would queue: links and widget values by input name."""
    links = {link[0]: [str(link[1]), link[2]] for link in workflow["links"]}
    prompt = {}
    for node in workflow["nodes"]:
        if node["type"] in ("MarkdownNote", "Note"):
            continue
        info, values = object_info[node["type"]], iter(node["widgets_values"])
        inputs: dict[str, Any] = {}
        for name, spec in {**info["input"].get("required", {}), **info["input"].get("optional", {})}.items():
            options = spec[1] if len(spec) > 1 else {}
            widget = isinstance(spec[0], list) or spec[0] in ("COMBO", "INT", "FLOAT", "STRING", "BOOLEAN")
            if widget and not options.get("forceInput"):
                inputs[name] = next(values)
                if options.get("control_after_generate"):
                    next(values)
        assert next(values, None) is None, f"{node['type']} has more widget values than widgets"
        inputs |= {slot["name"]: links[slot["link"]] for slot in node["inputs"] if slot["link"] is not None}
        prompt[str(node["id"])] = {"class_type": node["type"], "inputs": inputs}
    return prompt
