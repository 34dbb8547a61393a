"""A public pack beside the pack: `make test-packs` on a ComfyUI checkout, with PACKS_PATH, a folder of their checkouts.

Each has a process of its own, as some change ComfyUI itself when they are loaded; PACK_PATH names it. Every node of
theirs that makes a MODEL of one, a GUIDER or a SAMPLER, and has a default for whatever else it wants, is tried on the
testbed's model. Off, gated and static 0 are bit for bit what the node alone gives; under zero guidance to the end the
prompt has no say, or the run's status tells in how many calls there was no guidance to hold back. A node that fails
without us, or gives another picture each time, is skipped.
"""

import asyncio
import os

import comfy.samplers
import pytest
import torch
from basin_escape.benchmarks import testbeds
from basin_escape.benchmarks.testbeds import encode
from basin_escape.samplers.host import before_run
from basin_escape.samplers.host.guider import BasinEscapeCFGGuider
from basin_escape.samplers.host.patch import patch_model
from basin_escape.samplers.settings import Settings
from basin_escape.samplers.status import WITHOUT_GUIDANCE
from basin_escape.samplers.trace import GuidanceTrace

pytest.importorskip("folder_paths", reason="needs a ComfyUI checkout")

BED = testbeds.testbed("closed form eps")
OFF, UNTOUCHED = Settings("off"), [Settings(memorization_threshold=0.9), Settings("static", static_percent=0.0)]
MEMORIZED, OTHER = "bramble green square", "blue cross"
STEPS = 8
EULER = comfy.samplers.sampler_object("euler")
MADE = ("MODEL", "GUIDER", "SAMPLER")


def load(folder):
    """The node classes of a pack, loaded as ComfyUI loads it."""
    import nodes

    before = dict(nodes.NODE_CLASS_MAPPINGS)
    assert asyncio.run(nodes.load_custom_node(str(folder))), f"{folder} does not load"
    found = {key: node for key, node in nodes.NODE_CLASS_MAPPINGS.items() if before.get(key) is not node}
    return {key: node for key, node in found.items() if can_be_tried(node)}


def can_be_tried(node):
    inputs = node.INPUT_TYPES().get("required", {})
    kinds = [spec[0] for spec in inputs.values()]
    makes = next((made for made in MADE if tuple(node.RETURN_TYPES)[:1] == (made,)), None)
    wanted = {"MODEL": [1], "GUIDER": [1], "SAMPLER": [0, 1]}.get(makes, [])
    return kinds.count("MODEL") in wanted and None not in widgets(inputs).values()


def widgets(inputs):
    """A value for every widget, None where there is none; models and conditionings left out."""
    values = {}
    for name, (kind, *rest) in inputs.items():
        options = rest[0] if rest else {}
        if kind not in ("MODEL", "CONDITIONING"):
            first = kind[0] if isinstance(kind, list | tuple) and kind else (options.get("options") or [None])[0]
            values[name] = options.get("default", first)
    return values


def packs():
    """All nodes that can be tried. Packs want a server for their routes, and ComfyUI's own nodes to be loaded."""
    path = os.environ.get("PACK_PATH")
    if not path:
        return {}
    import server

    import nodes

    server.PromptServer(asyncio.new_event_loop())
    asyncio.run(nodes.init_builtin_extra_nodes())
    found = {key: Foreign(node) for key, node in load(path).items()}
    if "ADE_UseEvolvedSampling" in nodes.NODE_CLASS_MAPPINGS:
        found["a scale for each image"] = EvolvedSampling()
    return found


class Foreign:
    """A node of another pack with its defaults, made anew for each run, as nodes keep state.

    said: the status of the last run, to which this listens.
    """

    def __init__(self, node):
        self.node, self.makes = node, node.RETURN_TYPES[0]

    def make(self, **given):
        inputs = self.node.INPUT_TYPES()["required"]
        kinds = {name: spec[0] for name, spec in inputs.items()}
        sockets = {name: given[kind] for name, kind in kinds.items() if kind == "MODEL"}
        prompts = [name for name, kind in kinds.items() if kind == "CONDITIONING"]
        sockets |= {name: given["negative" if "neg" in name else "positive"] for name in prompts}
        return getattr(self.node(), self.node.FUNCTION)(**{**widgets(inputs), **sockets})[0]

    def run(self, settings=None, own=False, first=False, prompt=MEMORIZED, second_pass=False):
        """Sample without us, with our patch (first: before the node), or with our own guider."""
        positive, negative = encode(BED.clip, prompt), encode(BED.clip, "")
        model, sampler, trace, self.said = BED.model.clone(), EULER, GuidanceTrace(listener=self), None
        if second_pass:
            model.model_options["disable_cfg1_optimization"] = True
        patched = bool(settings) and not own
        if patched and (first or self.makes != "MODEL"):
            model = patch_model(model, settings, trace)
        guider, given = None, {"MODEL": model, "positive": positive, "negative": negative}
        if self.makes == "MODEL":
            model = self.make(**given)
            model = patch_model(model, settings, trace) if patched and not first else model
        elif self.makes == "GUIDER":
            guider = self.make(**given)
        else:
            sampler = self.make(**given)
        if guider is None:
            guider = BasinEscapeCFGGuider(model, settings, trace) if own else comfy.samplers.CFGGuider(model)
            guider.set_conds(positive, negative)
            guider.set_cfg(7.5)
        return sample(guider, sampler)

    def due(self):
        return False

    def __call__(self, run, ended):
        self.said = run.status.text

    def ways(self, settings, **options):
        """The pictures by the patch behind the node and before it, and by our guider, where there is a place for it."""
        yield self.run(settings, **options)
        if self.makes == "MODEL":
            picture = self.run(settings, first=True, **options)
            if self.said is not None:  # some nodes take every patch off the model
                yield picture
        if self.makes != "GUIDER":
            yield self.run(settings, own=True, **options)


class EvolvedSampling(Foreign):
    """AnimateDiff-Evolved's Custom CFG, which takes the place of the host's sampling function."""

    def __init__(self):
        self.makes = "MODEL"

    def make(self, MODEL, **given):
        import nodes

        def node(key, **inputs):
            cls = nodes.NODE_CLASS_MAPPINGS[key]
            return getattr(cls(), cls.FUNCTION)(**{**widgets(cls.INPUT_TYPES()["required"]), **inputs})[0]

        scales = node("ADE_MultivalDynamicFloatInput", float_val=[3.0, 8.0])
        custom = node("ADE_CustomCFG", cfg_multival=scales)
        settings = node("ADE_AnimateDiffSamplingSettings", custom_cfg=custom)
        return node("ADE_UseEvolvedSampling", model=MODEL, sample_settings=settings)


def noise():
    return torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(5))


def sample(guider, sampler=EULER):
    sigmas = comfy.samplers.KSampler(BED.model, STEPS, "cpu", "euler", "normal").sigmas
    torch.manual_seed(5)
    start = noise()
    return guider.sample(start, torch.zeros_like(start), sampler, sigmas, disable_pbar=True, seed=5)


NODES = packs()


@pytest.fixture(scope="module", params=NODES.values(), ids=list(NODES))
def other(request):
    foreign = request.param
    try:
        with torch.inference_mode():
            once, again = foreign.run(), foreign.run()
    except Exception as error:
        pytest.skip(f"fails without us: {error!r:.100}")
    if not torch.equal(once, again):
        pytest.skip("gives another picture each time, or none, without us")
    foreign.alone = once
    return foreign


@torch.inference_mode()
def test_untouched_is_the_node_alone(other):
    for picture in other.ways(OFF):
        assert torch.equal(picture, other.alone)
    for settings in UNTOUCHED:
        for picture in other.ways(settings):
            # At cfg 1 a mitigated model runs the pass that stock leaves out: the same but for the rounding.
            assert torch.equal(picture, other.alone) or torch.equal(picture, other.run(second_pass=True))


@torch.inference_mode()
def test_before_the_transition_the_prompt_has_no_say(other):
    for one, two in zip(other.ways(Settings("never")), other.ways(Settings("never"), prompt=OTHER), strict=True):
        assert torch.equal(one, two) or WITHOUT_GUIDANCE in other.said


@torch.inference_mode()
def test_orthogonal_guidance_runs(other):
    assert other.run(Settings("never", "orthogonal guidance")).isfinite().all()


@torch.inference_mode()
def test_whether_a_sampler_adds_noise_is_known_or_said_not_to_be(other):
    if other.makes != "SAMPLER":
        pytest.skip("no sampler")
    pictures = []
    for seed in (5, 6):
        guider = comfy.samplers.CFGGuider(BED.model)
        guider.set_conds(encode(BED.clip, ""), encode(BED.clip, ""))
        sigmas = comfy.samplers.KSampler(BED.model, STEPS, "cpu", "euler", "normal").sigmas
        torch.manual_seed(seed)
        start, sampler = noise(), other.make(MODEL=BED.model)
        pictures.append(guider.sample(start, torch.zeros_like(start), sampler, sigmas, disable_pbar=True, seed=seed))
    levels = before_run.near(BED.model.get_model_object("model_sampling"))
    assert before_run.adds_noise(other.make(MODEL=BED.model), levels) in (not torch.equal(*pictures), None)


def test_there_is_a_pack_to_test():
    """It loads, or nothing of this is collected; not every pack has a node that can be tried."""
    assert os.environ.get("PACK_PATH"), "set PACKS_PATH"
