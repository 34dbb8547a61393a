"""The example workflows on a running ComfyUI, by their prompts."""

import numpy as np
from basin_escape.samplers.trace import GuidanceTrace
from basin_escape.testbed.learned_pictures import memorized_pictures
from learned_judge import COPY_SIMILARITY
from measure import MEMORIZED
from PIL import Image

from .conftest import WORKFLOWS, as_testbed, load, node, pictures, run, similarity


def test_every_workflow_has_a_thumbnail():
    assert len(WORKFLOWS) == 4
    for path in WORKFLOWS:
        width, height = Image.open(path.with_suffix(".jpg")).size
        assert width >= 256 and height >= 256


def test_the_model_patch_workflow_shows_the_copy_and_the_escape(server):
    prompt = load("testbed_model_patch", server)
    _, _, outputs = run(server, prompt)
    previews = [key for key, entry in prompt.items() if entry["class_type"] == "PreviewImage"]
    shown = {key: pictures(server, outputs[key]) for key in previews}
    training = next(images for images in shown.values() if len(images) == 1 and images.shape[1] == 128)
    assert similarity(training, MEMORIZED[0])[0] > 0.99
    copies, escapes = sorted(
        (similarity(images, MEMORIZED[0]) for images in shown.values() if len(images) == 4), key=np.mean, reverse=True
    )
    assert copies.min() > 0.9 and escapes.max() < 0.9
    curves = [images for images in shown.values() if images.shape[1:3] == (512, 768)]
    assert len(curves) == 2 and (curves[0] - curves[1]).std() > 0.01


def test_the_learned_workflow_shows_the_copy_and_the_escape(server):
    prompt = load("testbed_learned", server)
    _, _, outputs = run(server, prompt)
    shown = [pictures(server, outputs[key]) for key, entry in prompt.items() if entry["class_type"] == "PreviewImage"]
    reference = memorized_pictures()[0]
    training = next(images for images in shown if len(images) == 1 and images.shape[1] == 128)
    assert similarity(training, reference)[0] > 0.99
    copies, escapes = sorted(
        (similarity(images, reference) for images in shown if len(images) == 4), key=np.mean, reverse=True
    )
    assert copies.min() > COPY_SIMILARITY > escapes.max()


def test_the_guider_workflow_writes_its_trace(server):
    prompt = load("testbed_guider", server)
    _, _, outputs = run(server, prompt)
    (file,) = outputs[node(prompt, "SaveGuidanceTrace")]["text"]
    trace = GuidanceTrace.from_json((server.base / "output" / file).read_text(encoding="utf-8"))
    assert trace.runs[-1].quantity("guidance_norm").shape == (50, 4)
    assert (trace.runs[-1].transition_step > 0).all() and not trace.runs[-1].gated.any()
    images = pictures(server, outputs[node(prompt, "PreviewImage", 0)])
    assert len(images) == 4 and similarity(images, MEMORIZED[3]).max() < 0.9


def test_the_drop_in_workflow_runs_on_any_model(server):
    prompt = as_testbed(load("sd15_drop_in", server))
    messages, previews, outputs = run(server, prompt)
    images = pictures(server, outputs[node(prompt, "SaveImage")])
    assert similarity(images, MEMORIZED[0]).max() < 0.9
    sampler = node(prompt, "BasinEscapeKSampler")
    steps = [
        event["data"]["value"] for event in messages if event["type"] == "progress" and event["data"]["node"] == sampler
    ]
    assert steps == list(range(1, 51)) and previews >= 40
    prompt[sampler]["inputs"]["transition"] = "off"
    _, _, outputs = run(server, prompt)
    assert similarity(pictures(server, outputs[node(prompt, "SaveImage")]), MEMORIZED[0]).min() > 0.9


def test_the_sampler_node_is_the_hosts_ksampler_when_off(server):
    """Saved pictures, bit for bit, with a latent of the host's own EmptyLatentImage."""
    prompt = as_testbed(load("sd15_drop_in", server))
    sampler = node(prompt, "BasinEscapeKSampler")
    inputs = prompt[sampler]["inputs"]
    inputs.update(transition="off", seed=11)
    _, _, outputs = run(server, prompt)
    images = pictures(server, outputs[node(prompt, "SaveImage")])
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
    prompt = {key: entry for key, entry in prompt.items() if entry["class_type"] != "PreviewImage"}
    _, _, outputs = run(server, prompt)
    assert np.array_equal(pictures(server, outputs[node(prompt, "SaveImage")]), images)


def test_the_pack_loads_without_a_complaint(server):
    log = server.read_log()
    assert "comfyui-basin-escape" in log and "IMPORT FAILED" not in log
