"""A prompt and a seed, on one server: the scores, the pictures, and vectors that describe them.

Nothing is shared with other prompts, so that this may run in a thread, in another process or on another machine.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from .measures import measure_of
from .ours import CURVE, MAP, MAP_SCORE, MITIGATED, PLAIN, SCORE, Graphs
from .pictures import BadPicture, TooLarge, read_picture, small_jpeg
from .server import Server
from .web import PromptFailed, ServerFailed
from .workflow import fill

SIZES = {CURVE: 512}  # of the pictures that are not kept small


class Job(NamedTuple):
    """prompt: its number; ordinary: one of those that the threshold comes from; first: the first seed of a prompt."""

    prompt: int
    seed: int
    text: str
    ordinary: bool
    first: bool


@dataclass(frozen=True)
class Plan:
    """What every job of an audit has in common. seconds: how long one may take."""

    graphs: Graphs
    scores: tuple[str, ...]
    measure: str
    seconds: float


@dataclass
class Finding:
    """What came of a job; `error` where nothing did. pictures: JPEG by name; vectors: of the pictures, by name."""

    job: Any
    server: str
    scores: dict[str, float] = field(default_factory=dict)
    vectors: dict[str, np.ndarray] = field(default_factory=dict)
    pictures: dict[str, bytes] = field(default_factory=dict)
    error: str | None = None


def examine(url: str, job: Job, plan: Plan, stopped: Callable[[], bool] = lambda: False) -> Finding:
    """Raises ServerFailed where the server is at fault, Stopped where `stopped` became true."""
    graphs = plan.graphs
    graph = graphs.ordinary if job.ordinary else graphs.first if job.first else graphs.other
    server, finding = Server(url), Finding(job, url)
    try:
        outputs = server.run(fill(graph, job.text, job.seed), plan.seconds, stopped)
        names = {MAP_SCORE: "map", **{f"{SCORE}{i}": name for i, name in enumerate(plan.scores)}}
        finding.scores = {name: _number(outputs[key], name) for key, name in names.items() if key in graph}
        for key in (PLAIN, MITIGATED, MAP, CURVE):
            if key in graph:
                _keep(finding, key, server.fetch(outputs[key]), plan.measure)
    except PromptFailed as error:
        return Finding(job, url, error=str(error)[:1000] or "the server gave no reason")
    except (LookupError, TypeError, AttributeError, ValueError) as error:
        raise ServerFailed(f"{url} answers something else than ComfyUI ({type(error).__name__}: {error})") from error
    return finding


def _number(output: dict, name: str) -> float:
    """A number that Preview Any showed. PromptFailed for one that is none: the model gave NaN."""
    value = float(output["text"][0])
    if not math.isfinite(value):
        raise PromptFailed(f"{name} is {value}: the model's predictions are no numbers for this prompt.")
    return value


def _keep(finding: Finding, key: str, file: bytes, measure: str) -> None:
    name = key.removeprefix("audit_")
    try:
        picture = read_picture(file, f"the {name} picture")
    except TooLarge as error:
        raise PromptFailed(str(error)) from error
    except BadPicture as error:
        raise ServerFailed(f"{finding.server}: {error}") from error
    finding.pictures[name] = small_jpeg(picture, **({"side": SIZES[key]} if key in SIZES else {}))
    if key in (PLAIN, MITIGATED):
        finding.vectors[name] = measure_of(measure).describe(picture)
