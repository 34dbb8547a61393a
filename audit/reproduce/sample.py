"""A prompt, a seed and a method, on one server: the picture, and how long it took."""

import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..examine import Finding
from ..graph import Graph
from ..pictures import BadPicture, TooLarge, read_picture
from ..server import Server
from ..web import PromptFailed, ServerFailed
from ..workflow import fill
from .book import Start
from .prompt_lists import as_typed
from .wiring import ALTERNATIVES, PICTURE


@dataclass(frozen=True)
class Plan:
    """graphs: by method. alternatives: other ways to say a caption. seconds: how long a picture may take."""

    graphs: dict[str, Graph]
    alternatives: dict[str, list[str]]
    seconds: float


def sample(url: str, start: Start, plan: Plan, stopped: Callable[[], bool] = lambda: False) -> Finding:
    """The picture as the server sent it, and the seconds. Raises ServerFailed and Stopped as Server.run does."""
    server, begin = Server(url), time.monotonic()
    lines = [as_typed(line) for line in plan.alternatives.get(start.caption, ())]
    graph = with_alternatives(plan.graphs[start.method], "\n".join(lines))
    try:
        outputs = server.run(fill(graph, as_typed(start.caption), start.noise_seed), plan.seconds, stopped)
        file = server.fetch(outputs[PICTURE])
        read_picture(file, "the picture")
    except (PromptFailed, TooLarge) as error:
        return Finding(start, url, error=str(error)[:1000] or "the server gave no reason")
    except (BadPicture, LookupError, TypeError, AttributeError) as error:
        raise ServerFailed(f"{url} answers something else than ComfyUI ({type(error).__name__}: {error})") from error
    return Finding(start, url, {"seconds": time.monotonic() - begin}, pictures={PICTURE: file})


def with_alternatives(graph: Graph, lines: str) -> Graph:
    """The graph with these lines in the place of the slot."""

    def filled(inputs: dict) -> dict:
        return {name: lines if value == ALTERNATIVES else value for name, value in inputs.items()}

    return {key: {**node, "inputs": filled(node["inputs"])} for key, node in graph.items()}


def folder_name(method: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", method.lower()).strip("-")


def save(folder: Path, start: Start, file: bytes) -> str:
    """The file's name in `folder`, where it is whole whenever the command is killed."""
    name = f"pictures/{folder_name(start.method)}/{start.prompt:05}-{start.seed}.png"
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".tmp")
    unfinished.write_bytes(file)
    os.replace(unfinished, path)
    return name
