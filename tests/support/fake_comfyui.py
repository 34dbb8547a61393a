"""An HTTP server that answers as a ComfyUI would, from a formula, and misbehaves on demand.

What a prompt gives depends on its text and seed alone: a picture of its own for every seed, or for texts with
"memorized" the same for all; texts with "refused", "broken" or "nan" fail as they would there.
"""

import hashlib
import io
import json
import threading
import time
import urllib.parse
import uuid
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
from PIL import Image

Fault = Callable[["FakeHandler", str], bool]  # whether it has answered in the place of the server


def picture_bytes(key: str, side: int = 64) -> bytes:
    """A PNG of blocks of noise that depends on the key alone."""
    digest = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big")
    blocks = np.random.default_rng(digest).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(blocks).resize((side, side), Image.Resampling.NEAREST).save(buffer, format="PNG")
    return buffer.getvalue()


def plain_key(text: str, seed: int) -> str:
    """That of the picture without mitigation."""
    return text if "memorized" in text else f"{text} {seed}"


def made(graph: dict) -> dict[str, dict]:
    """The outputs of a graph, and which pictures: by the text and the seed that stand in it."""
    text = next(node["inputs"]["text"] for node in graph.values() if node["inputs"].get("text"))
    seed = next(node["inputs"]["seed"] for node in graph.values() if "seed" in node["inputs"])
    outputs: dict[str, dict] = {}
    for key, node in graph.items():
        if node["class_type"] == "PreviewAny":
            level = 0.05 if "memorized" in text else 0.02 if "ordinary" in text else 0.01
            score = level + seed / 1e4 + len(text) / 1e5
            outputs[key] = {"text": ["nan" if "nan" in text else str(score)]}
        elif node["class_type"] in ("PreviewImage", "GuidanceNormPlot"):
            name = plain_key(text, seed) if key == "audit_plain" else f"{key} {text} {seed}"
            outputs[key] = {"images": [{"filename": name, "subfolder": "", "type": "temp"}]}
    return outputs


class FakeComfyUI(ThreadingHTTPServer):
    """With `fault`: called before every answer. Runs from the start to `stop`; `texts`: the prompts that were run."""

    daemon_threads = True

    def __init__(self, fault: Fault | None = None, seconds: float = 0.0, port: int = 0):
        super().__init__(("127.0.0.1", port), FakeHandler)
        self.fault, self.seconds = fault, seconds
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.history: dict[str, dict] = {}
        self.begun: dict[str, tuple[float, dict]] = {}
        self.texts: list[tuple[str, int]] = []
        self.cancelled: list[str] = []
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    def handle_error(self, request, client_address):
        """Those who break off are part of the tests."""

    def stop(self) -> None:
        self.shutdown()
        self.server_close()

    def queue(self, graph: dict) -> dict[str, Any]:
        outputs = made(graph)
        text = next(node["inputs"]["text"] for node in graph.values() if node["inputs"].get("text"))
        seed = next(node["inputs"]["seed"] for node in graph.values() if "seed" in node["inputs"])
        self.texts.append((text, seed))
        number = str(uuid.uuid4())
        status: dict[str, Any] = {"status_str": "success", "completed": True, "messages": []}
        if "broken" in text:
            details = {"node_type": "KSampler", "exception_message": "out of memory"}
            status = {"status_str": "error", "completed": False, "messages": [["execution_error", details]]}
        self.begun[number] = time.monotonic() + self.seconds, {"outputs": outputs, "status": status}
        return {"prompt_id": number, "number": 1, "node_errors": {}}

    def info(self, class_type: str) -> dict:
        """What it says of a node. It has them all."""
        return {}

    def done(self, number: str) -> dict | None:
        at, entry = self.begun.get(number, (float("inf"), {}))
        return entry if time.monotonic() >= at else None


class FakeHandler(BaseHTTPRequestHandler):
    server: FakeComfyUI

    def log_message(self, format, *args):
        pass

    def do_GET(self):
        path = urllib.parse.urlsplit(self.path)
        if self.server.fault is not None and self.server.fault(self, path.path):
            return
        if path.path == "/view":
            self.answer(picture_bytes(urllib.parse.parse_qs(path.query)["filename"][0]), "image/png")
        elif path.path.startswith("/history/"):
            number = path.path.rpartition("/")[2]
            entry = self.server.done(number)
            self.json({number: entry} if entry else {})
        elif path.path == "/queue":
            running = [[0, number] for number in self.server.begun if self.server.done(number) is None]
            self.json({"queue_running": running, "queue_pending": []})
        elif path.path == "/system_stats":
            self.json({"system": {"comfyui_version": "fake"}})
        else:
            name = urllib.parse.unquote(path.path.rpartition("/")[2])
            self.json({name: self.server.info(name)})

    def do_POST(self):
        data = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.server.fault is not None and self.server.fault(self, self.path):
            return
        if self.path != "/prompt":
            if self.path == "/queue":
                self.server.cancelled += data["delete"]
            self.json({})
            return
        texts = [node["inputs"].get("text") or "" for node in data["prompt"].values()]
        if any("refused" in text for text in texts):
            error = {"message": "Value not in list", "details": "ckpt_name: 'x' not in []"}
            errors = {"4": {"class_type": "CheckpointLoaderSimple", "errors": [error]}}
            self.json({"error": {"message": "Prompt outputs failed validation"}, "node_errors": errors}, 400)
            return
        self.json(self.server.queue(data["prompt"]))

    def json(self, value: Any, status: int = 200) -> None:
        self.answer(json.dumps(value).encode(), "application/json", status)

    def answer(self, body: bytes, kind: str, status: int = 200) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


WORKFLOW = {
    "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "x"}},
    "5": {"class_type": "EmptyLatentImage", "inputs": {"width": 64, "height": 64, "batch_size": 1}},
    "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "%prompt%", "clip": ["4", 1]}},
    "7": {"class_type": "CLIPTextEncode", "inputs": {"text": "", "clip": ["4", 1]}},
    "3": {
        "class_type": "KSampler",
        "inputs": {
            "model": ["4", 0],
            "positive": ["6", 0],
            "negative": ["7", 0],
            "latent_image": ["5", 0],
            "seed": "%seed%",
            "steps": 20,
            "cfg": 7.5,
            "sampler_name": "euler",
            "scheduler": "normal",
            "denoise": 1.0,
        },
    },
    "8": {"class_type": "VAEDecode", "inputs": {"samples": ["3", 0], "vae": ["4", 2]}},
    "9": {"class_type": "SaveImage", "inputs": {"filename_prefix": "ComfyUI", "images": ["8", 0]}},
}
