"""The template: a workflow in API format with slots for the prompt and the seed.

Slots: %prompt% in any text of the workflow; %seed% as a value, or in the title of the node whose seed it is.
"""

import json
import re
from pathlib import Path
from typing import Any

from .graph import Graph

SLOT = re.compile(r"%(prompt|seed)%")
SEED_WIDGETS = ("seed", "noise_seed", "value")


def load_workflow(path: Path) -> Graph:
    """Raises ValueError for a file that is no workflow in API format, or has no slot for prompt or seed."""
    try:
        graph = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"{path} cannot be read as a workflow: {error}") from error
    if isinstance(graph, dict) and "nodes" in graph:
        raise ValueError(f"{path} is a workflow as the page saves it: use Export (API) in ComfyUI's menu.")
    if not isinstance(graph, dict) or not graph or not all(map(_is_node, graph.values())):
        raise ValueError(f"{path} is no workflow in API format: use Export (API) in ComfyUI's menu.")
    graph = {key: _seeded(node) for key, node in graph.items()}
    found = set(SLOT.findall(json.dumps([node["inputs"] for node in graph.values()])))
    if "prompt" not in found:
        raise ValueError(f"{path} has no slot for the prompt: write %prompt% where it goes.")
    if "seed" not in found:
        raise ValueError(f"{path} has no slot for the seed: put %seed% into the title of the node that has the seed.")
    return graph


def _is_node(node: Any) -> bool:
    return isinstance(node, dict) and isinstance(node.get("class_type"), str) and isinstance(node.get("inputs"), dict)


def _seeded(node: dict) -> dict:
    """A node titled %seed% with the slot in its seed widget."""
    if "%seed%" not in str((node.get("_meta") or {}).get("title", "")):
        return node
    widget = next((name for name in SEED_WIDGETS if isinstance(node["inputs"].get(name), int)), None)
    return {**node, "inputs": {**node["inputs"], widget: "%seed%"}} if widget else node


def fill(graph: Graph, prompt: str, seed: int) -> Graph:
    """The graph with its slots filled in. A value that is %seed% alone becomes the number."""
    values = {"prompt": prompt, "seed": str(seed)}

    def filled(value: Any) -> Any:
        if value == "%seed%":
            return seed
        return SLOT.sub(lambda slot: values[slot[1]], value) if isinstance(value, str) else value

    return {
        key: {"class_type": node["class_type"], "inputs": {name: filled(v) for name, v in node["inputs"].items()}}
        for key, node in graph.items()
    }
