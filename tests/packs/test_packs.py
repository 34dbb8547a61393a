"""Public packs beside the pack: `make test-packs` with PACKS_PATH, a folder of their checkouts, on a ComfyUI checkout.

Every node of theirs that makes a MODEL of one, and has a default for whatever else it wants, is put on the testbed's
model. Off, gated and static 0 are bit for bit what the node alone gives; under zero guidance to the end the prompt has
no say. A node that fails without us is skipped.
"""

import os
import sys
from pathlib import Path

import comfy.samplers
import pytest
import torch
from basin_escape.benchmarks import testbeds
from basin_escape.benchmarks.testbeds import encode
from basin_escape.samplers.host.guider import BasinEscapeCFGGuider
from basin_escape.samplers.host.patch import patch_model
from basin_escape.samplers.settings import Settings
from basin_escape.samplers.trace import GuidanceTrace

pytest.importorskip("folder_paths", reason="needs a ComfyUI checkout")

BED = testbeds.testbed("closed form eps")
UNTOUCHED = [Settings("off"), Settings(memorization_threshold=0.9), Settings("static", static_percent=0.0)]
STEPS = 8


def load(folder):
    """The node classes of a pack, loaded as ComfyUI loads it."""
    import asyncio

    import nodes

    before = dict(nodes.NODE_CLASS_MAPPINGS)
    asyncio.run(nodes.load_custom_node(str(folder)))
    found = {key: node for key, node in nodes.NODE_CLASS_MAPPINGS.items() if before.get(key) is not node}
    return {key: node for key, node in found.items() if patches_models(node)}


def patches_models(node):
    inputs = node.INPUT_TYPES().get("required", {})
    models = [spec for spec in inputs.values() if spec[0] == "MODEL"]
    return "MODEL" in tuple(node.RETURN_TYPES)[:1] and len(models) == 1 and None not in defaults(inputs).values()


def defaults(inputs):
    """A value for every widget; None where there is none."""
    values = {}
    for name, (kind, *rest) in inputs.items():
        options = rest[0] if rest else {}
        if kind != "MODEL":
            first = kind[0] if isinstance(kind, list | tuple) and kind else (options.get("options") or [None])[0]
            values[name] = options.get("default", first)
    return values


def packs():
    path = os.environ.get("PACKS_PATH")
    folders = sorted(Path(path).iterdir()) if path else []
    return [(folder.name, key, node) for folder in folders if folder.is_dir() for key, node in load(folder).items()]


NODES = packs()


def noise():
    return torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(5))


def sample(guider):
    sigmas = comfy.samplers.KSampler(BED.model, STEPS, "cpu", "euler", "normal").sigmas
    euler, start = comfy.samplers.sampler_object("euler"), noise()
    return guider.sample(start, torch.zeros_like(start), euler, sigmas, disable_pbar=True, seed=5)


def guided(guider, prompt="bramble green square"):
    guider.set_conds(encode(BED.clip, prompt), encode(BED.clip, ""))
    guider.set_cfg(7.5)
    return sample(guider)


def by_patch(model, settings, **options):
    return guided(comfy.samplers.CFGGuider(patch_model(model, settings, GuidanceTrace())), **options)


def by_guider(model, settings, **options):
    return guided(BasinEscapeCFGGuider(model, settings, GuidanceTrace()), **options)


@pytest.fixture(params=NODES, ids=[f"{pack}-{key}" for pack, key, _ in NODES])
def other(request):
    """A function that gives the testbed's model with the node on it, anew each time, as nodes keep state."""
    _, _, node = request.param
    inputs = node.INPUT_TYPES()["required"]
    name = next(name for name, spec in inputs.items() if spec[0] == "MODEL")

    def build():
        return getattr(node(), node.FUNCTION)(**{name: BED.model.clone(), **defaults(inputs)})[0]

    try:
        with torch.inference_mode():
            once, again = (guided(comfy.samplers.CFGGuider(build())) for _ in range(2))
    except Exception as error:
        pytest.skip(f"fails without us: {error!r:.100}")
    if not torch.equal(once, again):
        pytest.skip("gives another picture each time, or none, without us")
    return build


@torch.inference_mode()
def test_untouched_is_the_node_alone(other):
    alone = guided(comfy.samplers.CFGGuider(other()))
    for settings in UNTOUCHED:
        assert torch.equal(by_patch(other(), settings), alone)
        assert torch.equal(by_guider(other(), settings), alone)


@torch.inference_mode()
def test_before_the_transition_the_prompt_has_no_say(other):
    for build in (by_patch, by_guider):
        one, two = (
            build(other(), Settings("never"), prompt=prompt) for prompt in ("bramble green square", "blue cross")
        )
        assert torch.equal(one, two)


@torch.inference_mode()
def test_orthogonal_guidance_runs(other):
    assert by_patch(other(), Settings("never", "orthogonal guidance")).isfinite().all()


def test_there_are_packs_to_test():
    assert NODES, (
        f"no nodes found: set PACKS_PATH (it is {os.environ.get('PACKS_PATH')!r}, Python {sys.version_info[:2]})"
    )
