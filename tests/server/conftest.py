"""The example workflows as prompts, and what a running ComfyUI makes of them."""

import io

import numpy as np
import pytest
from basin_escape.tests.support.server import ui_to_api
from basin_escape.tests.support.workflows import read_workflow
from PIL import Image


def load(name, server):
    workflow, info = read_workflow(name), server.get("/object_info")
    if name == "testbed_slider" and "ImageCompare" not in info:
        pytest.skip("this ComfyUI has no Compare Images")
    return ui_to_api(workflow, info)


def node(prompt, class_type, index=0):
    return [key for key, entry in prompt.items() if entry["class_type"] == class_type][index]


def run(server, prompt, **options):
    """Run a prompt to its successful end. Returns the messages, the previews and each node's ui output."""
    messages, previews = server.run(prompt, **options)
    assert messages[-1]["type"] == "execution_success", messages[-1]
    done = [event["data"] for event in messages if event["type"] == "executed"]
    outputs = {data["node"]: data["output"] for data in done if data["output"] is not None}
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
    """Correlation of each picture, eight times as large, with a memorized image, [3, side, side] in [-1, 1]."""
    side = memorized.shape[-1]
    small = images.reshape(len(images), side, 8, side, 8, 3).mean((2, 4))
    reference = (memorized.movedim(0, -1).numpy() / 2 + 0.5).ravel()
    return np.array([np.corrcoef(image.ravel(), reference)[0, 1] for image in small])


def as_testbed(prompt):
    """The SD 1.5 workflow with the testbed in the checkpoint's place (its first three outputs are the same)."""
    prompt[node(prompt, "CheckpointLoaderSimple")] = {
        "class_type": "LoadMemorizationTestbed",
        "inputs": {"variant": "eps"},
    }
    prompt[node(prompt, "EmptyLatentImage")]["inputs"].update(width=128, height=128, batch_size=2)
    prompt[node(prompt, "CLIPTextEncode")]["inputs"]["text"] = "aurora red circle"
    return prompt
