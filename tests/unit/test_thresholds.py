"""Thresholds that are remembered by model file, and which one is in force."""

import json
from types import SimpleNamespace

import pytest
from basin_escape.nodes import calibration, files, thresholds
from basin_escape.nodes.calibration import in_force
from basin_escape.nodes.thresholds import name_of_model, recall, remember

NORM = "guidance norm"
PROMPT = {
    "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "sd\\one.safetensors"}},
    "2": {"class_type": "LoraLoader", "inputs": {"model": ["1", 0], "lora_name": "face.safetensors", "strength": 1.0}},
    "3": {"class_type": "FreeU", "inputs": {"model": ["2", 0], "b1": 1.3}},
    "4": {"class_type": "DetectMemorization", "inputs": {"model": ["3", 0], "score_by": NORM}},
    "5": {"class_type": "LoadMemorizationTestbed", "inputs": {"variant": "eps"}},
    "6": {"class_type": "DetectMemorization", "inputs": {"model": ["5", 0]}},
    "7": {"class_type": "Loop", "inputs": {"model": ["7", 0]}},
    "8": {"class_type": "DetectMemorization", "inputs": {"model": ["gone", 0]}},
    "10": {"class_type": "LoraLoader", "inputs": {"model": ["5", 0], "lora_name": "x/face.safetensors"}},
    "11": {"class_type": "DetectMemorization", "inputs": {"model": ["10", 0]}},
    "12": {"class_type": "ModelMergeSimple", "inputs": {"model1": ["1", 0], "model2": ["5", 0], "ratio": 0.5}},
    "13": {"class_type": "DetectMemorization", "inputs": {"model": ["12", 0]}},
}


@pytest.fixture
def user(tmp_path, monkeypatch):
    folders = SimpleNamespace(get_user_directory=lambda: str(tmp_path))
    monkeypatch.setattr(files, "folder_paths", folders)
    monkeypatch.setattr(thresholds, "folder_paths", folders)
    return tmp_path / "__basin_escape" / "thresholds.json"


@pytest.mark.parametrize(
    ("node", "name"),
    [
        ("4", "one.safetensors + face.safetensors"),
        ("6", "LoadMemorizationTestbed eps"),
        ("11", "LoadMemorizationTestbed eps + face.safetensors"),
        ("13", ""),
        ("7", ""),
        ("8", ""),
        ("9", ""),
        (None, ""),
    ],
)
def test_a_model_is_named_by_its_files(node, name):
    assert name_of_model(PROMPT, node) == name


def test_without_a_prompt_a_model_has_no_name():
    assert name_of_model(None, "4") == ""


def test_a_threshold_is_remembered_by_score_and_model_until_it_is_deleted(user):
    assert recall(NORM, "one") is None
    remember(NORM, "one", 0.01)
    remember(NORM, "two", 0.02)
    remember("anisotropy", "one", 0.5)
    assert (recall(NORM, "one"), recall(NORM, "two"), recall("anisotropy", "one")) == (0.01, 0.02, 0.5)
    written = user.stat().st_mtime_ns
    remember(NORM, "one", 0.01)
    assert user.stat().st_mtime_ns == written
    remember(NORM, "one", None)
    assert (recall(NORM, "one"), recall(NORM, "two")) == (None, 0.02)
    assert json.loads(user.read_text()) == {NORM: {"two": 0.02}, "anisotropy": {"one": 0.5}}
    assert [path.name for path in user.parent.iterdir()] == ["thresholds.json"]


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"a": 1}', '{"a": {"b": "c"}}', '{"a": {"b": NaN}}', '{"a": {"b": -1.0}}']
)
def test_a_file_that_is_none_of_ours_is_named_and_kept(user, text):
    user.parent.mkdir()
    user.write_text(text)
    for use in (lambda: recall(NORM, "one"), lambda: remember(NORM, "one", 0.01)):
        with pytest.raises(ValueError, match=r"delete the file .*thresholds\.json and calibrate anew"):
            use()
    assert user.read_text() == text


def test_without_a_server_nothing_is_remembered(monkeypatch):
    monkeypatch.setattr(thresholds, "folder_paths", None)
    assert recall(NORM, "one") is None and thresholds.modified() == 0
    with pytest.raises(RuntimeError, match="needs a ComfyUI server"):
        remember(NORM, "one", 0.1)


def test_the_threshold_in_force(user):
    assert in_force(0.01, None, "no", NORM, "") == (0.01, "the widget's")
    assert in_force(0.01, (0.02, "of 3"), "no", NORM, "one") == (0.02, "of 3")
    assert in_force(0.01, None, "yes", NORM, "one") == (0.01, "the widget's: none is remembered for one")
    assert not user.exists()
    assert in_force(0.01, (0.02, "of 3"), "yes", NORM, "one") == (0.02, "of 3, now remembered for one")
    assert in_force(0.01, None, "yes", NORM, "one") == (0.02, "remembered for one")
    assert in_force(0.01, None, "yes", "anisotropy", "one")[0] == 0.01
    assert in_force(0.01, None, "delete", NORM, "one") == (0.01, "the widget's")
    assert in_force(0.01, None, "yes", NORM, "one")[0] == 0.01


@pytest.mark.parametrize("memory", [calibration.YES, calibration.DELETE])
def test_a_model_without_a_name_is_not_remembered(memory, user):
    with pytest.raises(ValueError, match=r"^remember needs to know the model's file.*set it to no"):
        in_force(0.01, (0.02, "of 3"), memory, NORM, "")
    assert not user.exists()
