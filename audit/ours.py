"""What is queued: the template's own nodes, and ours behind them.

    plain        the picture with the template's own Basin Escape nodes switched off; the curve of its guidance norm
    mitigated    with these nodes as they are; where there are none, with Basin Escape (set for me) before every sampler
    detection    Detect Memorization at the first sampler, for every score that is asked for
    map          Memorization Map of the plain picture

Pictures come back by Preview Image, numbers by Preview Any. What none of these needs is left out, Save Image for one.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .graph import Graph, Link, copied, first_guided, guided, links, nearest_link, picture_link, upstream

PLAIN, MITIGATED, MAP, MAP_SCORE, CURVE = (
    "audit_plain",
    "audit_mitigated",
    "audit_map",
    "audit_map_score",
    "audit_curve",
)
SCORE = "audit_score_"  # and the number of the score
ON, OFF = "_audit_on", "_audit_off"  # behind the names of copies
FOR_MODEL = "BasinEscapeForModel"
SWITCHED = (FOR_MODEL, "BasinEscapeModelPatch", "BasinEscapeGuider", "BasinEscapeKSampler")  # trace: their output 1


@dataclass(frozen=True)
class Options:
    """scores: by which Detect Memorization is to go; box: of Memorization Map."""

    scores: Sequence[str] = ("guidance norm",)
    mitigate: bool = True
    box: int = 13


@dataclass(frozen=True)
class Graphs:
    """With slots. ordinary: the scores alone, empty without guidance; first: with a curve; other: all other seeds."""

    ordinary: Graph
    first: Graph
    other: Graph

    def classes(self) -> set[str]:
        return {node["class_type"] for node in (*self.first.values(), *self.ordinary.values())}


def build(workflow: Graph, options: Options) -> Graphs:
    """Raises ValueError for a workflow whose picture or sampler cannot be told."""
    picture = picture_link(workflow)
    main = first_guided(workflow, picture)
    if main is None:  # nothing to detect and to hold back: only the pictures are compared
        other = _ending(workflow, {PLAIN: _preview(picture)})
        return Graphs({}, other, other)
    nodes, plain, trace = _switched(workflow, picture, on=False)
    graph = {**workflow, **nodes}
    ends = {PLAIN: _preview(plain)}
    if options.mitigate:
        nodes, mitigated, _ = _switched(workflow, picture, on=True)
        graph |= nodes
        ends[MITIGATED] = _preview(mitigated)
    scores = {}
    for number, name in enumerate(options.scores):
        graph[f"audit_detect_{number}"] = _detect(workflow, main, name)
        scores[f"{SCORE}{number}"] = _number([f"audit_detect_{number}", 1])
    latent = nearest_link(graph, plain[0], "samples")
    curve = {}
    if latent is not None:
        graph["audit_mapped"] = _map(workflow[main], latent, options.box)
        ends |= {MAP: _preview(["audit_mapped", 1]), MAP_SCORE: _number(["audit_mapped", 2])}
        curve = {CURVE: _plot(trace, latent)}
    ends |= scores
    return Graphs(_ending(graph, scores), _ending(graph, {**ends, **curve}), _ending(graph, ends))


def _ending(graph: Graph, ends: Graph) -> Graph:
    """These nodes with all that they need, and nothing else."""
    whole = {**graph, **ends}
    return {key: whole[key] for key in sorted(upstream(whole, *ends))}


def _switched(workflow: Graph, picture: Link, on: bool) -> tuple[Graph, Link, Link]:
    """What the template becomes with mitigation on or off: new nodes, where the picture comes from, and the trace."""
    own = sorted(key for key in upstream(workflow, picture[0]) if workflow[key]["class_type"] in SWITCHED)
    if not own:
        return _patched(workflow, picture, on)
    if on:
        return {}, picture, [own[0], 1]
    nodes, link = copied(workflow, own, picture, OFF)
    nodes |= {key + OFF: _with(nodes[key + OFF], transition="off") for key in own}
    return nodes, link, [own[0] + OFF, 1]


def _patched(workflow: Graph, picture: Link, on: bool) -> tuple[Graph, Link, Link]:
    """The same for a template without nodes of ours: every sampler behind a patch of its own."""
    samplers, suffix = guided(workflow, picture), ON if on else OFF
    nodes, link = copied(workflow, samplers, picture, suffix)
    for key in samplers:
        patch = f"{key}{suffix}_patch"
        inputs = {"model": workflow[key]["inputs"]["model"], "transition": "for this model" if on else "off"}
        nodes[patch] = {"class_type": FOR_MODEL, "inputs": inputs}
        nodes[key + suffix] = _with(nodes[key + suffix], model=[patch, 0])
    return nodes, link, [f"{samplers[-1]}{suffix}_patch", 1]


def _with(node: dict, **inputs: Any) -> dict:
    return {**node, "inputs": {**node["inputs"], **inputs}}


def _detect(workflow: Graph, main: str, score: str) -> dict:
    inputs = workflow[main]["inputs"]
    # The latent is the sampler's own, or that of the sampler behind a guider.
    below = [node for node in workflow.values() if any(link[0] == main for link in links(node).values())]
    latents = [links(node)["latent_image"] for node in (workflow[main], *below) if "latent_image" in links(node)]
    if not latents:
        raise ValueError(f"node {main} of the workflow has no latent_image: its prompts cannot be examined.")
    given = {name: inputs[name] for name in ("scheduler", "cfg") if isinstance(inputs.get(name), (str, float, int))}
    start = {"seed": "%seed%", "n_seeds": 1, "steps": 1, "threshold": 0.0, "sampler_name": "euler"}
    wanted = {**start, "scheduler": "normal", "cfg": 7.5, **given, "score_by": score}
    return {"class_type": "DetectMemorization", "inputs": {**_conditions(inputs), "latent_image": latents[0], **wanted}}


def _map(sampler: dict, latent: Link, box: int) -> dict:
    wanted = {"samples": latent, "seed": "%seed%", "timestep": 1.0, "box": box}
    return {"class_type": "MemorizationMap", "inputs": {**_conditions(sampler["inputs"]), **wanted}}


def _conditions(inputs: dict) -> dict:
    return {name: inputs[name] for name in ("model", "positive", "negative")}


def _plot(trace: Link, latent: Link) -> dict:
    look = {"quantity": "guidance norm", "x_axis": "timestep", "run": "last", "theme": "light"}
    inputs = {"trace": trace, "samples": latent, **look, "width": 512, "height": 384}
    return {"class_type": "GuidanceNormPlot", "inputs": inputs}


def _preview(link: Link) -> dict:
    return {"class_type": "PreviewImage", "inputs": {"images": link}}


def _number(link: Link) -> dict:
    return {"class_type": "PreviewAny", "inputs": {"source": link}}
