"""Thresholds that Detect Memorization found, by model file: a JSON file in ComfyUI's user folder, never in a graph.

    user/__basin_escape/thresholds.json
    {"guidance norm": {"model.safetensors + lora.safetensors": 0.0123}}

`__` keeps it from the web: ComfyUI serves no folder of users whose name begins so.
"""

import json
import math
import os
from pathlib import Path

from .files import folder_paths, write_whole

FOLDER, FILE = "__basin_escape", "thresholds.json"
FILES = (".safetensors", ".sft", ".ckpt", ".pt", ".pth", ".bin", ".gguf")


def path() -> str:
    if folder_paths is None:
        raise RuntimeError("Remembering needs a ComfyUI server, whose user folder it writes to.")
    return os.path.join(folder_paths.get_user_directory(), FOLDER, FILE)


def recall(score: str, model: str) -> float | None:
    """The threshold of a score for a model; None where none is remembered, or without a server."""
    return _read().get(score, {}).get(model) if folder_paths and model else None


def remember(score: str, model: str, threshold: float | None) -> None:
    """Keep a threshold, or none any more; the file stays as it is where that is kept already."""
    if recall(score, model) == threshold:
        return
    known = _read()
    known.setdefault(score, {}).pop(model, None)
    if threshold is not None:
        known[score][model] = threshold
    os.makedirs(os.path.dirname(path()), exist_ok=True)
    text = json.dumps(known, indent=1, allow_nan=False)
    write_whole(path(), lambda name: Path(name).write_text(text, encoding="utf-8"))


def modified() -> float:
    """When the file was last written, 0 without one: for nodes that are to run anew after that."""
    try:
        return os.path.getmtime(path())
    except (OSError, RuntimeError):
        return 0.0


def name_of_model(prompt: dict | None, node_id: str | None) -> str:
    """The files behind a node's `model` in the prompt that is running, "a.safetensors + lora.safetensors".

    Of a loader without a file the name of its class and its choices; "" where the prompt does not say, or where the
    model is made of several.
    """
    parts: list[str] = []
    chain = _behind(prompt or {}, node_id)
    for node in chain:
        texts = [value for value in node["inputs"].values() if isinstance(value, str)]
        files = [os.path.basename(text.replace("\\", "/")) for text in texts if text.lower().endswith(FILES)]
        if node is chain[-1] and not files:
            made_of_others = any(isinstance(value, list) for value in node["inputs"].values())
            if made_of_others:
                return ""
            files = [" ".join([node["class_type"], *texts])]
        parts += files
    return " + ".join(reversed(parts))


def _behind(prompt: dict, node_id: str | None) -> list[dict]:
    """The nodes that a node's `model` comes through, the nearest first."""
    found: list[dict] = []
    node = prompt.get(node_id)
    while node is not None and node not in found[:-1]:
        link = node["inputs"].get("model")
        node = prompt.get(link[0]) if isinstance(link, list) else None
        found += [] if node is None else [node]
    return found


def _read() -> dict[str, dict[str, float]]:
    """What is remembered; raises ValueError naming the file where it is none of ours."""
    if not os.path.exists(path()):
        return {}
    try:
        known = json.loads(Path(path()).read_text(encoding="utf-8"))
        if all(_is_threshold(value) for by_model in known.values() for value in by_model.values()):
            return known
    except (ValueError, AttributeError):
        pass
    raise ValueError(f"The remembered thresholds cannot be read: delete the file {path()} and calibrate anew.")


def _is_threshold(value: object) -> bool:
    return isinstance(value, float) and math.isfinite(value) and value >= 0
