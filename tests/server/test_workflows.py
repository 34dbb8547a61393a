"""The example workflows on a running ComfyUI, by their prompts."""

import io
import json

import numpy as np
import pytest
from basin_escape.samplers.trace import GuidanceTrace
from comfyui_server import ui_to_api
from measure import MEMORIZED, NODES
from pack import ROOT
from PIL import Image

WORKFLOWS = sorted((ROOT / "workflows").glob("*.json"))


def load(name, server):
    workflow = json.loads((ROOT / "workflows" / f"{name}.json").read_text(encoding="utf-8"))
    return ui_to_api(workflow, server.get("/object_info"))


def node(prompt, class_type, index=0):
    return [key for key, entry in prompt.items() if entry["class_type"] == class_type][index]


def run(server, prompt, **options):
    """Run a prompt to its successful end. Returns the messages, the previews and each node's ui output."""
    messages, previews = server.run(prompt, **options)
    assert messages[-1]["type"] == "execution_success", messages[-1]
    outputs = {event["data"]["node"]: event["data"]["output"] for event in messages if event["type"] == "executed"}
    return messages, previews, outputs


def pictures(server, output):
    """The images of a preview node, [n, height, width, 3] in [0, 1]."""
    images = []
    for image in output["images"]:
        data = server.get_bytes(
            f"/view?filename={image['filename']}&subfolder={image['subfolder']}&type={image['type']}"
        )
        images.append(np.asarray(Image.open(io.BytesIO(data)).convert("RGB")) / 255)
    return np.stack(images)


def similarity(images, memorized):
    """Correlation of each 128x128 picture with a memorized image."""
    small = images.reshape(len(images), 16, 8, 16, 8, 3).mean((2, 4))
    reference = (MEMORIZED[memorized].movedim(0, -1).numpy() / 2 + 0.5).ravel()
    return np.array([np.corrcoef(image.ravel(), reference)[0, 1] for image in small])


def test_every_node_is_there_and_documented(server):
    info = server.get("/object_info")
    assert set(NODES) <= set(info)
    for key in NODES:
        assert info[key]["display_name"] and info[key]["description"]
        inputs = {**info[key]["input"]["required"], **info[key]["input"].get("optional", {})}
        assert all(options["tooltip"] for _, options in inputs.values())
        assert server.get_bytes(f"/extensions/comfyui-basin-escape/docs/{key}.md").startswith(b"# ")


def test_every_workflow_has_a_thumbnail():
    assert len(WORKFLOWS) == 3
    for path in WORKFLOWS:
        width, height = Image.open(path.with_suffix(".jpg")).size
        assert width >= 256 and height >= 256


def test_the_model_patch_workflow_shows_the_copy_and_the_escape(server):
    prompt = load("testbed_model_patch", server)
    _, _, outputs = run(server, prompt)
    previews = [key for key, entry in prompt.items() if entry["class_type"] == "PreviewImage"]
    shown = {key: pictures(server, outputs[key]) for key in previews}
    training = next(images for images in shown.values() if len(images) == 1 and images.shape[1] == 128)
    assert similarity(training, 0)[0] > 0.99
    copies, escapes = sorted(
        (similarity(images, 0) for images in shown.values() if len(images) == 4), key=np.mean, reverse=True
    )
    assert copies.min() > 0.9 and escapes.max() < 0.9
    curves = [images for images in shown.values() if images.shape[1:3] == (512, 768)]
    assert len(curves) == 2 and (curves[0] - curves[1]).std() > 0.01


def test_the_guider_workflow_writes_its_trace(server):
    prompt = load("testbed_guider", server)
    _, _, outputs = run(server, prompt)
    (file,) = outputs[node(prompt, "SaveGuidanceTrace")]["text"]
    trace = GuidanceTrace.from_json((server.base / "output" / file).read_text(encoding="utf-8"))
    assert trace.runs[-1].quantity("guidance_norm").shape == (50, 4)
    assert (trace.runs[-1].transition_step > 0).all() and not trace.runs[-1].gated.any()
    images = pictures(server, outputs[node(prompt, "PreviewImage", 0)])
    assert len(images) == 4 and similarity(images, 3).max() < 0.9


def as_testbed(prompt):
    """The SD 1.5 workflow with the testbed in the checkpoint's place (its first three outputs are the same)."""
    prompt[node(prompt, "CheckpointLoaderSimple")] = {
        "class_type": "LoadMemorizationTestbed",
        "inputs": {"variant": "eps"},
    }
    prompt[node(prompt, "EmptyLatentImage")]["inputs"].update(width=128, height=128, batch_size=2)
    prompt[node(prompt, "CLIPTextEncode")]["inputs"]["text"] = "aurora red circle"
    return prompt


def test_the_drop_in_workflow_runs_on_any_model(server):
    prompt = as_testbed(load("sd15_drop_in", server))
    messages, previews, outputs = run(server, prompt)
    images = pictures(server, outputs[node(prompt, "SaveImage")])
    assert similarity(images, 0).max() < 0.9
    sampler = node(prompt, "BasinEscapeKSampler")
    steps = [
        event["data"]["value"] for event in messages if event["type"] == "progress" and event["data"]["node"] == sampler
    ]
    assert steps == list(range(1, 51)) and previews >= 40
    prompt[sampler]["inputs"]["transition"] = "off"
    _, _, outputs = run(server, prompt)
    assert similarity(pictures(server, outputs[node(prompt, "SaveImage")]), 0).min() > 0.9


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


def test_an_interrupted_run_leaves_the_next_one_untouched(server):
    prompt = as_testbed(load("sd15_drop_in", server))
    sampler = prompt[node(prompt, "BasinEscapeKSampler")]["inputs"]
    sampler.update(seed=5)
    _, _, outputs = run(server, prompt)
    expected = pictures(server, outputs[node(prompt, "SaveImage")])

    def interrupt(event):
        if event["type"] == "progress" and event["data"]["value"] == 10:
            server.post("/interrupt", {})

    sampler.update(seed=6, steps=500)
    messages, _ = server.run(prompt, interrupt)
    assert messages[-1]["type"] == "execution_interrupted"
    sampler.update(seed=5, steps=50)
    prompt[node(prompt, "SaveImage")]["inputs"]["filename_prefix"] = "again"
    _, _, outputs = run(server, prompt)
    assert np.array_equal(pictures(server, outputs[node(prompt, "SaveImage")]), expected)


def test_a_latent_of_another_size_is_refused_with_the_name_of_its_input(server):
    prompt = as_testbed(load("sd15_drop_in", server))
    prompt[node(prompt, "EmptyLatentImage")]["inputs"].update(width=512)
    messages, _ = server.run(prompt)
    assert messages[-1]["type"] == "execution_error"
    assert "latent_image has the size 3x16x64" in messages[-1]["data"]["exception_message"]


@pytest.mark.parametrize(("widget", "value"), [("static_percent", 1.5), ("opposite_scale", -1), ("transition", "late")])
def test_widget_values_out_of_range_are_refused(server, widget, value):
    prompt = as_testbed(load("sd15_drop_in", server))
    prompt[node(prompt, "BasinEscapeKSampler")]["inputs"][widget] = value
    with pytest.raises(ValueError, match=widget):
        server.run(prompt)


def test_the_pack_loads_without_a_complaint(server):
    log = server.read_log()
    assert "comfyui-basin-escape" in log and "IMPORT FAILED" not in log
