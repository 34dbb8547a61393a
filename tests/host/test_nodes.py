"""The nodes as ComfyUI sees them: sockets, tooltips, validation, pictures."""

import math
from importlib.util import find_spec

import comfy.sample
import comfy.samplers
import pytest
import torch
from basin_escape.benchmarks.measure import NODES, WIDGETS
from basin_escape.nodes import NODE_DISPLAY_NAME_MAPPINGS
from basin_escape.plots.quantities import CURVES, X_AXES
from basin_escape.samplers.trace import GuidanceTrace
from basin_escape.tools.pack import ROOT

from .conftest import MEMORIZED

SHARED = [
    "transition",
    "before_transition",
    "opposite_scale",
    "repulsion",
    "static_percent",
    "latest_percent",
    "memorization_threshold",
]
# Saved workflows refer to these: inputs in their order, outputs by place.
SOCKETS = {
    "BasinEscapeModelPatch": (["model", *SHARED], ["model", "trace"]),
    "BasinEscapeForModel": (["model", "transition"], ["model", "trace", "settings"]),
    "BasinEscapeGuider": (
        ["model", "positive", "negative", "cfg", *SHARED, "skip_unused_pass", "unconditional"],
        ["guider", "trace"],
    ),
    "BasinEscapeKSampler": (
        ["model", "seed", "steps", "cfg", "sampler_name", "scheduler", "positive", "negative", "latent_image"]
        + ["denoise", *SHARED, "skip_unused_pass", "unconditional"],
        ["latent", "trace"],
    ),
    "GuidanceNormPlot": (
        ["trace", "quantity", "x_axis", "run", "width", "height", "theme", "samples", "images"],
        ["plot"],
    ),
    "SaveImageWithGuidance": (["images", "trace", "filename_prefix", "samples"], []),
    "SaveGuidanceTrace": (["trace", "filename_prefix", "samples"], []),
    "TransitionSweep": (
        ["model", "positive", "negative", "latent_image", "seed", "steps", "cfg", "sampler_name", "scheduler"]
        + ["before_transition", "opposite_scale", "points", "first_percent", "last_percent", "unconditional"],
        ["latents", "trace", "labels"],
    ),
    "EstimateStaticTransition": (["trace", "tolerance", "samples"], ["static_percent", "plot"]),
    "DetectMemorization": (
        ["model", "positive", "negative", "latent_image", "seed", "n_seeds", "steps", "threshold"]
        + ["sampler_name", "scheduler", "cfg", "ordinary_prompts", "clip", "score_by", "remember"],
        ["memorized", "score", "report", "threshold"],
    ),
    "ScheduleGuidance": (
        ["model", "schedule", "at_least", "start_percent", "end_percent", "outside"],
        ["model", "plot"],
    ),
    "AdjustInitialNoiseBatchwise": (
        ["model", "positive", "negative", "noise", "sigmas", "rho", "gamma", "iterations"],
        ["noise"],
    ),
    "AdjustInitialNoisePerSample": (
        ["model", "positive", "negative", "noise", "sigmas", "latent_image"]
        + ["target", "learning_rate", "max_iterations", "keep_length"],
        ["noise", "report"],
    ),
    "SharpnessAwareInitialNoise": (
        ["model", "positive", "negative", "noise", "sigmas", "latent_image"]
        + ["threshold", "alpha", "step", "learning_rate", "max_iterations", "candidates"],
        ["noise", "report"],
    ),
    "AnnealConditioning": (["model", "strength", "rescale", "tau1", "tau2", "noise_seed"], ["model"]),
    "PerturbPrompt": (["text", "kind", "times", "seed", "clip"], ["text"]),
    "PerturbConditioning": (["conditioning", "strength", "seed"], ["conditioning"]),
    "RepadPrompt": (["clip", "text", "mode", "share"], ["positive", "empty"]),
    "ReanchorGuidance": (
        ["model", "positive", "negative", "cfg", "alternatives", "formula", "search_below", "plain_below", "full_from"]
        + ["clip", "alternative"],
        ["guider"],
    ),
    "LoadMemorizationTestbed": (["variant"], ["model", "clip", "vae", "memorized", "prompts"]),
    "MitigateCrossAttention": (
        ["model", "clip", "text", "first_token_scale", "mask_padding", "keep_end_token"],
        ["model", "positive"],
    ),
    "GUARDGuider": (
        ["model", "positive", "negative", "cfg", "repulsion", "attenuation", "spike_threshold"],
        ["guider"],
    ),
    "SilenceNeurons": (["model", "neurons"], ["model"]),
    "MemorizationMap": (
        ["model", "positive", "negative", "samples", "seed", "timestep", "box"],
        ["mask", "image", "score"],
    ),
    "BrightEndingMask": (["model", "clip", "text", "samples", "seed", "timestep"], ["mask", "image", "score"]),
    "CalibrateNorms": (
        ["model", "clip", "negative", "latent_image", "ordinary_prompts", "seed", "n_seeds", "steps", "sampler_name"]
        + ["scheduler", "cfg"],
        ["norms", "report"],
    ),
    "AMGGuider": (
        ["model", "positive", "negative", "cfg", "vae", "measure", "sscd_model", "folder", "similar", "despecify"]
        + ["repel", "references", "clip"],
        ["guider"],
    ),
    "CopySimilarity": (
        ["images", "measure", "threshold", "sscd_model", "folder", "references", "mask"],
        ["maximum", "copied", "nearest", "report", "side_by_side"],
    ),
    "BatchDiversity": (["images", "measure", "sscd_model"], ["diversity", "report"]),
    "PromptAlignment": (["images", "clip", "clip_vision", "text"], ["score", "report"]),
    "PromptVerdict": (
        ["images", "measure", "threshold", "sscd_model", "mitigated", "memorized", "copied", "copied_mitigated"],
        ["verdict", "report"],
    ),
    "HoldNorms": (["model", "norms", "limit"], ["model"]),
    "MixStartNoise": (["model", "noise", "reference", "cutoff"], ["noise"]),
    "MitigatePromptEmbedding": (
        ["model", "positive", "negative", "latent_image", "seed", "target", "one_for_all", "learning_rate"]
        + ["max_iterations"],
        ["positive", "report"],
    ),
    "TokenSignificance": (
        ["model", "clip", "text", "negative", "latent_image", "seed"],
        ["plot", "report", "significance"],
    ),
    "ProbeMemorization": (
        ["model", "positive", "picture", "seed", "steps", "draws", "learning_rate"],
        ["positive", "report"],
    ),
    "ReinforceContent": (["model", "clip", "text", "width", "reinforce", "attenuate"], ["model", "positive"]),
}


def inputs(node):
    groups = node.INPUT_TYPES()
    return {**groups["required"], **groups.get("optional", {})}


def test_ids_and_sockets_are_those_of_saved_workflows():
    names = {key: (list(inputs(node)), list(getattr(node, "RETURN_NAMES", []))) for key, node in NODES.items()}
    assert names == SOCKETS
    assert list(NODE_DISPLAY_NAME_MAPPINGS) == list(NODES)


@pytest.mark.parametrize("key", SOCKETS)
def test_every_input_and_output_has_a_tooltip_and_every_node_a_help_page(key):
    node = NODES[key]
    for name, (_, options) in inputs(node).items():
        assert len(options["tooltip"]) > 10, name
    assert len(getattr(node, "OUTPUT_TOOLTIPS", ())) == len(node.RETURN_TYPES)
    assert node.DESCRIPTION and node.SEARCH_ALIASES and node.CATEGORY.startswith("basin escape")
    page = (ROOT / "web" / "docs" / f"{key}.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in page for name in inputs(node)), "an input is missing on the help page"


def run_ksampler(testbed, **changes):
    arguments = {
        "model": testbed.model,
        "seed": 3,
        "positive": testbed.encode(MEMORIZED),
        "negative": testbed.encode(""),
        "latent_image": testbed.latent(),
        **WIDGETS,
        "steps": 8,
        **changes,
    }
    return NODES["BasinEscapeKSampler"]().sample(**arguments)


def run_guider(testbed, **changes):
    arguments = {"model": testbed.model, "positive": testbed.encode(MEMORIZED), "negative": testbed.encode("")}
    widgets = {name: WIDGETS[name] for name in ("cfg", *SHARED, "skip_unused_pass")}
    return NODES["BasinEscapeGuider"]().get_guider(**{**arguments, **widgets, **changes})


def run_patch(testbed, **changes):
    return NODES["BasinEscapeModelPatch"]().patch(testbed.model, **{name: WIDGETS[name] for name in SHARED} | changes)


def test_the_sampler_node_is_stock_ksampler_when_off(testbed):
    latent = {"samples": torch.zeros(2, 4, 16, 16), "batch_index": [4, 1]}
    out, trace = run_ksampler(testbed, latent_image=latent, transition="off", sampler_name="dpm_2", denoise=0.8)
    empty = comfy.sample.fix_empty_latent_channels(testbed.model, latent["samples"])
    expected = testbed.stock(
        MEMORIZED,
        noise=comfy.sample.prepare_noise(empty, 3, [4, 1]),
        steps=8,
        sampler="dpm_2",
        denoise=0.8,
    )
    # The fixture's seed is another one: no sampler here draws noise after the start.
    assert torch.equal(out["samples"], expected) and out["batch_index"] == [4, 1]
    assert len(trace.runs) == 1


def test_the_sampler_node_takes_a_mask(testbed):
    image = testbed.vae.encode(testbed.memorized[:1])
    mask = torch.zeros(1, 128, 128)
    mask[:, :, 64:] = 1
    out, _ = run_ksampler(testbed, latent_image={"samples": image, "noise_mask": mask}, steps=12)
    torch.testing.assert_close(out["samples"][..., :8], image[..., :8], rtol=0, atol=1e-3)
    assert (out["samples"][..., 8:] - image[..., 8:]).abs().max() > 0.1 and "noise_mask" in out


def test_the_three_sampling_nodes_are_one_rule(testbed):
    widgets = {"before_transition": "opposite guidance", "latest_percent": 1.0}
    out, trace = run_ksampler(testbed, steps=30, **widgets)
    noise = comfy.sample.prepare_noise(torch.zeros(2, 3, 16, 16), 3)
    sigmas = comfy.samplers.KSampler(testbed.model, 30, "cpu", "euler", "normal").sigmas
    guider, guider_trace = run_guider(testbed, **widgets)
    euler = comfy.samplers.sampler_object("euler")
    guided = guider.sample(noise, torch.zeros_like(noise), euler, sigmas, disable_pbar=True)
    patched, patch_trace = run_patch(testbed, **widgets)
    stock = testbed.stock(MEMORIZED, model=patched, noise=noise, steps=30)
    assert torch.equal(out["samples"], guided) and torch.equal(guided, stock)
    steps = [handle.runs[0].transition_step.tolist() for handle in (trace, guider_trace, patch_trace)]
    assert steps[0] == steps[1] == steps[2]


BAD_WIDGETS = [
    ({"opposite_scale": math.nan}, "opposite_scale is nan"),
    ({"static_percent": 1.2}, "static_percent is 1.2"),
    ({"latest_percent": 0.0}, "latest_percent is 0 while transition is dynamic"),
    ({"memorization_threshold": -1.0}, "memorization_threshold is -1.0"),
]
BAD_INPUTS = [
    ({"cfg": math.nan}, "cfg is nan"),
    ({"positive": []}, "positive is an empty conditioning"),
    ({"negative": []}, "negative is an empty conditioning"),
    ({"unconditional": []}, "unconditional is an empty conditioning"),
]


@pytest.mark.parametrize("run", [run_ksampler, run_guider])
@pytest.mark.parametrize(("changes", "message"), BAD_WIDGETS + BAD_INPUTS)
def test_bad_input_is_refused_before_sampling(testbed, run, changes, message):
    counted, calls = testbed.counted()
    with pytest.raises(ValueError, match=message):
        run(testbed, model=counted, **changes)
    assert calls() == 0


@pytest.mark.parametrize(("changes", "message"), BAD_WIDGETS)
def test_bad_widgets_are_refused_by_the_model_patch(testbed, changes, message):
    with pytest.raises(ValueError, match=message):
        run_patch(testbed, **changes)


@pytest.mark.parametrize("size", [(3, 64, 64), (3, 16, 8), (3, 8, 8)])
def test_the_testbed_refuses_a_latent_of_another_size(testbed, size):
    counted, calls = testbed.counted()
    shape = "x".join(map(str, size))
    with pytest.raises(ValueError, match=f"latent_image has the size {shape}.*width 128"):
        run_ksampler(testbed, model=counted, latent_image={"samples": torch.zeros(1, *size)})
    assert calls() == 0


@pytest.mark.parametrize("key", ["GuidanceNormPlot", "SaveGuidanceTrace"])
def test_a_trace_without_runs_is_refused(key):
    widgets = [CURVES, X_AXES, "last", 512, 512, "light"] if key == "GuidanceNormPlot" else ["trace"]
    node = NODES[key]()
    with pytest.raises(ValueError, match=r"trace has no runs. Connect the sampler's latent to `samples`"):
        getattr(node, node.FUNCTION)(GuidanceTrace(), *widgets)


@pytest.mark.skipif(find_spec("folder_paths") is not None, reason="a ComfyUI checkout has an output folder")
def test_saving_needs_a_server(testbed):
    _, trace = run_ksampler(testbed)
    with pytest.raises(RuntimeError, match="needs a ComfyUI server"):
        NODES["SaveGuidanceTrace"]().save(trace, "trace")
