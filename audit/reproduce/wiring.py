"""An entry of methods.py -> the graph that is queued, in ComfyUI's API format, with the slots of workflow.py.

    text -> positive -+
            negative -+-> guider -+
    model ------------+           +-> SamplerCustomAdvanced -> VAE Decode -> Preview Image
                         noise ---+

A node of a method gets what it asks for by name, and what it makes takes the place of one of these for all after it.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from ..graph import Graph, upstream
from ..server import Server
from .methods import Method, Use

PICTURE = "picture"
ALTERNATIVES = "%alternatives%"
ALIASES = {"conditioning": "positive", "noise_seed": "seed"}  # what some nodes call the same

Inputs = Callable[[str], dict]  # the inputs of a node as the server describes them: {required: {name: spec}, ...}


@dataclass(frozen=True)
class Sampling:
    """What all methods have in common. loader: class and widgets of what loads model, text encoder and decoder."""

    loader: tuple[str, dict[str, Any]]
    steps: int
    cfg: float
    sampler: str
    scheduler: str
    size: int
    calibration: str  # ordinary prompts, one a line, which are not measured


def build(method: Method, sampling: Sampling, inputs: Inputs) -> Graph:
    """Raises ValueError for a node with an input that nothing here can give."""
    wires = _wires(sampling)
    graph: Graph = {}
    for number, use in enumerate(method.uses):
        key = f"method_{number}"
        graph[key] = _node(use, inputs(use.class_type), wires)
        wires |= {slot: [key, output] for slot, output in use.outputs.items()}
    graph |= _base(sampling, wires)
    return {key: graph[key] for key in sorted(upstream(graph, PICTURE))}


def build_all(methods: Iterable[Method], sampling: Sampling, server: Server) -> tuple[dict[str, Graph], dict[str, str]]:
    """The graphs by method, of those whose nodes the server has; of the others what it lacks."""
    graphs, absent = {}, {}
    for method in methods:
        if missing := server.missing({use.class_type for use in method.uses}):
            absent[method.name] = f"the server has no node {', '.join(missing)}"
        else:
            graphs[method.name] = build(method, sampling, server.inputs)
    return graphs, absent


def _wires(sampling: Sampling) -> dict[str, Any]:
    links = {"model": 0, "clip": 1, "vae": 2}
    own = ("positive", "negative", "noise", "guider", "sigmas", "latent_image")
    return {
        **{name: ["loader", output] for name, output in links.items()},
        **{name: [name, 0] for name in own},
        "text": "%prompt%",
        "seed": "%seed%",
        "steps": sampling.steps,
        "cfg": sampling.cfg,
        "sampler_name": sampling.sampler,
        "scheduler": sampling.scheduler,
        "alternatives": ALTERNATIVES,
        "ordinary_prompts": sampling.calibration,
    }


def _node(use: Use, inputs: dict, wires: dict[str, Any]) -> dict[str, Any]:
    """Widgets of the method, else what is there by this name, else the default of a widget that must have a value."""
    required = inputs.get("required", {})
    values = {}
    for name, spec in {**required, **inputs.get("optional", {})}.items():
        if name in use.widgets:
            values[name] = use.widgets[name]
        elif (wire := ALIASES.get(name, name)) in wires:
            values[name] = wires[wire]
        elif name in required:
            values[name] = _default(use.class_type, name, spec)
    if unknown := use.widgets.keys() - values.keys():
        raise ValueError(f"{use.class_type} has no input {', '.join(sorted(unknown))} on this server.")
    return {"class_type": use.class_type, "inputs": values}


def _default(class_type: str, name: str, spec: list) -> Any:
    options = spec[1] if len(spec) > 1 else {}
    choices = spec[0] if isinstance(spec[0], list) else options.get("options")
    if "default" in options:
        return options["default"]
    if not choices:
        raise ValueError(f"{class_type} needs {name}, which nothing gives: say so in its entry in methods.py.")
    return choices[0]


def _base(sampling: Sampling, wires: dict[str, Any]) -> Graph:
    def node(class_type: str, *connected: str, **widgets: Any) -> dict[str, Any]:
        return {"class_type": class_type, "inputs": {name: wires[name] for name in connected} | widgets}

    loader, widgets = sampling.loader
    side = {"width": sampling.size, "height": sampling.size, "batch_size": 1}
    return {
        "loader": {"class_type": loader, "inputs": widgets},
        "positive": node("CLIPTextEncode", "clip", "text"),
        "negative": node("CLIPTextEncode", "clip", text=""),
        "noise": node("RandomNoise", noise_seed=wires["seed"]),
        "guider": node("CFGGuider", "model", "positive", "negative", "cfg"),
        "sampler": node("KSamplerSelect", "sampler_name"),
        "sigmas": node("BasicScheduler", "model", "scheduler", "steps", denoise=1.0),
        "latent_image": node("EmptyLatentImage", **side),
        "run": node("SamplerCustomAdvanced", "noise", "guider", "sigmas", "latent_image", sampler=["sampler", 0]),
        "decoded": node("VAEDecode", "vae", samples=["run", 0]),
        PICTURE: node("PreviewImage", images=["decoded", 0]),
    }
