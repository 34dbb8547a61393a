"""The example workflows on a running ComfyUI, by their prompts."""

import json

import numpy as np
import pytest
import torch
from basin_escape.benchmarks.measure import MEMORIZED
from basin_escape.benchmarks.testbeds import testbed as bed_of
from basin_escape.testbed.learned_judge import COPY_SIMILARITY
from basin_escape.testbed.learned_variants import LEARNED
from basin_escape.testbed.loader import TestbedVAE
from basin_escape.tests.support.saved import read_trace
from basin_escape.tests.support.workflows import FILES
from basin_escape.tools.pack import ROOT
from PIL import Image

from .conftest import as_testbed, load, node, pictures, run, similarity


def test_every_workflow_has_a_thumbnail():
    files = {path.stem for path in (ROOT / "workflows").glob("*.json")}
    assert files == set(FILES.values()) == {path.stem for path in (ROOT / "workflows").glob("*.jpg")}
    for file in files:
        width, height = Image.open(ROOT / "workflows" / f"{file}.jpg").size
        assert width >= 256 and height >= 256


def test_the_model_patch_workflow_shows_the_copy_and_the_escape(server):
    """The escapes still show what the prompt names, and not the picture that was memorized."""
    prompt, scenes = load("testbed_model_patch", server), bed_of("scenes")
    _, _, outputs = run(server, prompt)
    training, copies, escapes = (pictures(server, outputs[node(prompt, "PreviewImage", k)]) for k in range(3))
    caption = prompt[node(prompt, "CLIPTextEncode")]["inputs"]["text"]
    assert training.shape == (1, 256, 256, 3) and similarity(training, scenes.image(caption))[0] > 0.99
    assert len(copies) == len(escapes) == 4
    assert similarity(copies, scenes.image(caption)).min() > 0.99
    assert similarity(escapes, scenes.image(caption)).max() < 0.3
    assert scenes.alignment(TestbedVAE().encode(torch.tensor(escapes)), caption).tolist() == [1] * 4


def test_the_learned_workflow_shows_the_copy_and_the_escape(server):
    prompt = load("testbed_learned", server)
    _, _, outputs = run(server, prompt)
    shown = [pictures(server, outputs[key]) for key, entry in prompt.items() if entry["class_type"] == "PreviewImage"]
    reference = LEARNED["learned noise"].memorized_pictures()[0]
    training = next(images for images in shown if len(images) == 1 and images.shape[1] == 128)
    assert similarity(training, reference)[0] > 0.99
    copies, escapes = sorted(
        (similarity(images, reference) for images in shown if len(images) == 4), key=np.mean, reverse=True
    )
    assert copies.min() > COPY_SIMILARITY > escapes.max()


@pytest.mark.parametrize(
    ("name", "columns"),
    [
        ("testbed_prompt_methods", 5),
        ("testbed_noise_methods", 6),
        ("testbed_attention_methods", 4),
        ("testbed_maps", 3),
    ],
)
def test_every_method_of_a_workflow_makes_its_pictures(server, name, columns):
    prompt = load(name, server)
    _, _, outputs = run(server, prompt)
    shown = [pictures(server, outputs[key]) for key, entry in prompt.items() if entry["class_type"] == "PreviewImage"]
    assert sorted(map(len, shown)) == [1] + columns * [2]
    reference = LEARNED["learned noise"].memorized_pictures()[0]
    found = [similarity(images, reference) for images in shown if len(images) == 2]
    if name in ("testbed_prompt_methods", "testbed_maps"):  # plain CFG
        assert max(values.min() for values in found) > COPY_SIMILARITY
    if name == "testbed_noise_methods":  # orthogonal guidance
        assert min(values.max() for values in found) < COPY_SIMILARITY


def test_the_guider_workflow_writes_its_trace(server):
    prompt = load("testbed_guider", server)
    _, _, outputs = run(server, prompt)
    (file,) = outputs[node(prompt, "SaveGuidanceTrace")]["text"]
    trace = read_trace(server.base / "output" / file)
    assert trace.runs[-1].quantity("guidance_norm").shape == (50, 4)
    assert (trace.runs[-1].transition_step > 0).all() and not trace.runs[-1].gated.any()
    plot, images = (pictures(server, outputs[node(prompt, kind)]) for kind in ("GuidanceNormPlot", "PreviewImage"))
    assert plot.shape == (1, 512, 768, 3)
    assert len(images) == 4 and similarity(images, MEMORIZED[3]).max() < 0.9


def test_the_drop_in_workflow_runs_on_any_model(server):
    prompt = as_testbed(load("sd15_drop_in", server))
    messages, previews, outputs = run(server, prompt)
    images = pictures(server, outputs[node(prompt, "SaveImageWithGuidance")])
    assert similarity(images, MEMORIZED[0]).max() < 0.9
    sampler = node(prompt, "BasinEscapeKSampler")
    steps = [
        event["data"]["value"] for event in messages if event["type"] == "progress" and event["data"]["node"] == sampler
    ]
    assert steps == list(range(1, 51)) and previews >= 40
    prompt[sampler]["inputs"]["transition"] = "off"
    _, _, outputs = run(server, prompt)
    assert similarity(pictures(server, outputs[node(prompt, "SaveImageWithGuidance")]), MEMORIZED[0]).min() > 0.9


def test_the_sampler_node_is_the_hosts_ksampler_when_off(server):
    """Saved pictures, bit for bit, with a latent of the host's own EmptyLatentImage."""
    prompt = as_testbed(load("sd15_drop_in", server))
    sampler = node(prompt, "BasinEscapeKSampler")
    inputs = prompt[sampler]["inputs"]
    inputs.update(transition="off", seed=11)
    save = node(prompt, "SaveImageWithGuidance")  # which needs a trace
    stock = {"images": prompt[save]["inputs"]["images"], "filename_prefix": "stock"}
    prompt[save] = {"class_type": "SaveImage", "inputs": stock}
    _, _, outputs = run(server, prompt)
    images = pictures(server, outputs[save])
    names = [
        "model",
        "seed",
        "steps",
        "cfg",
        "sampler_name",
        "scheduler",
        "positive",
        "negative",
        "latent_image",
        "denoise",
    ]
    prompt[sampler] = {"class_type": "KSampler", "inputs": {name: inputs[name] for name in names}}
    prompt = {key: entry for key, entry in prompt.items() if entry["class_type"] != "GuidanceNormPlot"}
    _, _, outputs = run(server, prompt)
    assert np.array_equal(pictures(server, outputs[save]), images)


def test_the_sweep_workflow_goes_from_the_copy_to_another_picture(server):
    prompt = load("testbed_sweep", server)
    _, previews, outputs = run(server, prompt)
    plot, images = (pictures(server, outputs[node(prompt, kind)]) for kind in ("GuidanceNormPlot", "PreviewImage"))
    assert plot.shape == (1, 640, 1280, 3) and len(images) == 8 and previews > 0
    copied = similarity(images, MEMORIZED[0])
    assert copied[0] > 0.9 and copied[-4:].max() < 0.9
    labels = outputs[node(prompt, "PreviewAny")]["text"]
    assert labels[0] == "t = 900 (static_percent 0.100)"


def test_a_workflow_under_static_transitions_gives_the_pictures_of_its_sweep(server):
    """Points 0.1 and 0.8 of the sweep, by KSampler (Basin Escape)."""
    prompt = load("testbed_sweep", server)
    _, _, outputs = run(server, prompt)
    swept = pictures(server, outputs[node(prompt, "PreviewImage")])
    sweep = prompt[node(prompt, "TransitionSweep")]
    inputs = {key: value for key, value in sweep["inputs"].items() if key not in ("points", "first_percent")}
    inputs |= {"transition": "static", "latest_percent": 0.6, "memorization_threshold": 0.0}
    inputs |= {"denoise": 1.0, "skip_unused_pass": False, "repulsion": 0.07}
    for point, percent in ((0, 0.1), (7, inputs.pop("last_percent"))):
        single = {"class_type": "BasinEscapeKSampler", "inputs": {**inputs, "static_percent": percent}}
        changed = {**prompt, node(prompt, "TransitionSweep"): single}
        del changed[node(prompt, "PreviewAny")]
        _, _, outputs = run(server, changed)
        image = pictures(server, outputs[node(prompt, "PreviewImage")])[0]
        assert np.abs(image - swept[point]).max() < 0.02


def test_the_static_point_workflow_finds_a_point_and_guides_from_there(server):
    prompt = load("testbed_static_point", server)
    _, _, outputs = run(server, prompt)
    plot, images = (
        pictures(server, outputs[node(prompt, kind)]) for kind in ("EstimateStaticTransition", "PreviewImage")
    )
    assert plot.shape == (1, 768, 768, 3)
    assert len(images) == 8 and (similarity(images, MEMORIZED[0]) < 0.9).mean() >= 0.75


def test_the_detection_workflow_mitigates_the_memorized_prompt_alone(server):
    prompt = load("testbed_detect", server)
    messages, _, outputs = run(server, prompt)
    said = {event["data"]["node"]: event["data"]["text"] for event in messages if event["type"] == "text"}
    reports = [said[node(prompt, "DetectMemorization", index)] for index in (0, 1)]
    assert reports[0].startswith("memorized\n") and "99th percentile of 23 ordinary prompts" in reports[0]
    assert reports[1].startswith("not memorized\n")
    mitigated, ordinary = (pictures(server, outputs[node(prompt, "PreviewImage", index)]) for index in (0, 1))
    for index in (0, 1):
        prompt[node(prompt, "BasinEscapeKSampler", index)]["inputs"]["transition"] = "off"
    _, _, outputs = run(server, prompt)
    copies, plain = (pictures(server, outputs[node(prompt, "PreviewImage", index)]) for index in (0, 1))
    assert np.array_equal(ordinary, plain)
    assert similarity(copies, MEMORIZED[0]).min() > 0.9 and similarity(mitigated, MEMORIZED[0]).max() < 0.9


@pytest.mark.parametrize(
    ("text", "verdict", "with_it"),
    [
        ("aurora red circle", "copied a given image", "all different, no copy of a reference"),
        ("red circle", "no sign", "all different, no copy of a reference"),
    ],
)
def test_the_audit_workflow_judges_a_prompt(server, text, verdict, with_it):
    prompt = load("testbed_audit", server)
    prompt[node(prompt, "CLIPTextEncode")]["inputs"]["text"] = text
    messages, _, _ = run(server, prompt)
    judge = node(prompt, "PromptVerdict")
    (said,) = [e["data"]["text"] for e in messages if e["type"] == "text" and e["data"]["node"] == judge]
    assert said.splitlines()[0] == verdict
    assert said.splitlines()[2] == f"with mitigation: {with_it}"


def test_the_boolean_drives_the_hosts_switch(server):
    """Lazily: of the two samplers, only the one that is chosen runs."""
    if "ComfySwitchNode" not in server.get("/object_info"):
        pytest.skip("this ComfyUI has no switch node")
    prompt = load("testbed_detect", server)
    detect = node(prompt, "DetectMemorization", 1)
    plain, mitigated = (node(prompt, "BasinEscapeKSampler", index) for index in (0, 1))
    prompt[plain]["inputs"] |= {"transition": "off", "memorization_threshold": 0.0}
    prompt[mitigated]["inputs"] |= {"memorization_threshold": 0.0}
    switch = {"switch": [detect, 0], "on_true": [mitigated, 0], "on_false": [plain, 0]}
    prompt["99"] = {"class_type": "ComfySwitchNode", "inputs": switch}
    decode, preview = node(prompt, "VAEDecode", 1), node(prompt, "PreviewImage", 1)
    prompt[decode]["inputs"]["samples"] = ["99", 0]
    unused = [node(prompt, "PreviewImage", 0), node(prompt, "VAEDecode", 0)]
    prompt = {key: entry for key, entry in prompt.items() if key not in unused}
    for text, chosen in (("red circle", plain), ("dusk yellow ring", mitigated)):
        prompt[prompt[detect]["inputs"]["positive"][0]]["inputs"]["text"] = text
        messages, _, outputs = run(server, prompt)
        assert len(outputs[preview]["images"]) == 4
        progress = {event["data"]["node"] for event in messages if event["type"] == "progress"}
        assert progress & {plain, mitigated} == {chosen}


def test_the_pack_loads_without_a_complaint(server):
    log = server.read_log()
    assert "comfyui-basin-escape" in log and "IMPORT FAILED" not in log


def test_what_was_decided_travels_with_each_picture(server):
    """Read from the files, whose pixels and other texts are those of Save Image."""
    prompt = as_testbed(load("sd15_drop_in", server))
    prompt[node(prompt, "BasinEscapeKSampler")]["inputs"]["memorization_threshold"] = 0.01
    sampler, save = (node(prompt, kind) for kind in ("BasinEscapeKSampler", "SaveImageWithGuidance"))
    stock = {"images": prompt[save]["inputs"]["images"], "filename_prefix": "stock"}
    prompt["99"] = {"class_type": "SaveImage", "inputs": stock}
    prompt["98"] = {"class_type": "SaveGuidanceTrace", "inputs": {"trace": [sampler, 1], "filename_prefix": "kept/run"}}
    _, _, outputs = run(server, prompt)
    assert np.array_equal(pictures(server, outputs[save]), pictures(server, outputs["99"]))
    trace = read_trace(server.base / "output" / outputs["98"]["text"][0]).runs[-1]
    for sample, saved in enumerate(outputs[save]["images"]):
        texts = Image.open(server.base / "output" / saved["subfolder"] / saved["filename"]).text
        said = json.loads(texts["basin_escape"])
        assert json.loads(texts["prompt"])[sampler]["inputs"]["transition"] == "dynamic"
        assert said["transition_step"] == trace.transition_step[sample] > 0 and not said["gated"]
        assert said["reason"] == trace.reasons[sample] and said["status"] == "protecting: zero guidance."
        assert said["settings"]["before_transition"] == "zero guidance" and said["cfg"] == 7.5
        assert said["first_norm"] == pytest.approx(trace.quantity("guidance_norm")[0, sample] / trace.elements**0.5)
        assert said["first_norm"] > 0.01


def test_pictures_that_are_not_those_of_the_run_are_refused(server):
    prompt = as_testbed(load("sd15_drop_in", server))
    save = prompt[node(prompt, "SaveImageWithGuidance")]["inputs"]
    prompt["97"] = {"class_type": "ImageFromBatch", "inputs": {"image": save["images"], "batch_index": 1, "length": 1}}
    save.update(images=["97", 0], filename_prefix="part")
    messages, _ = server.run(prompt)
    assert "images are 1, but the run had 2" in messages[-1]["data"]["exception_message"]
    assert not list((server.base / "output").glob("part*"))
