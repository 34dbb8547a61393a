"""Names of files in ComfyUI's output folder, and that a file appears whole or not at all."""

import contextlib
import json
import re
import threading
import time
from pathlib import Path

import pytest
from basin_escape.nodes import files
from basin_escape.nodes.save_trace import SaveGuidanceTrace
from basin_escape.samplers.settings import Settings
from basin_escape.samplers.trace import GuidanceTrace, RunTrace
from torch import ones, tensor

PROMPT = {
    "3": {"class_type": "KSampler", "inputs": {"seed": 41, "cfg": 7.5, "model": ["1", 0], "name": "a/b:c"}},
    "4": {"class_type": "KSampler", "inputs": {"seed": 42}, "_meta": {"title": "Second"}},
}


class Folders:
    """What ComfyUI's folder_paths promises: a folder below `output`, and the first number that no file has."""

    def __init__(self, output):
        self.output = output

    def get_output_directory(self):
        return str(self.output)

    def get_save_image_path(self, prefix, folder):
        path = (Path(folder) / prefix).resolve()
        if Path(folder).resolve() not in path.parents:
            raise Exception("outside of the output folder")
        path.parent.mkdir(parents=True, exist_ok=True)
        names = [re.fullmatch(re.escape(path.name) + r"_(\d+)_.*", other.name) for other in path.parent.iterdir()]
        counter = max((int(name[1]) for name in names if name), default=0) + 1
        return str(path.parent), path.name, counter, str(path.parent.relative_to(folder)), prefix


@pytest.fixture
def output(tmp_path, monkeypatch):
    folder = tmp_path / "output"
    folder.mkdir()
    monkeypatch.setattr(files, "folder_paths", Folders(folder))
    return folder


def trace():
    series = {"sigma": ones(2, 1), "guidance_norm": ones(2, 1)}
    return GuidanceTrace([RunTrace(Settings(), 7.5, 4, tensor([-1]), tensor([False]), series, [None])])


def save(prefix):
    return SaveGuidanceTrace().save(trace(), prefix, prompt=PROMPT)["ui"]["text"]


def saved(output):
    return sorted(path.relative_to(output).as_posix() for path in output.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    ("prefix", "name"),
    [
        ("trace", "trace"),
        ("run/trace", "run/trace"),
        ("run/", "run/trace"),
        ("", "trace"),
        (".", "trace"),
        ("run/.", "run/trace"),
        ("run/x/..", "run/trace"),
        ("a/b/../c", "a/c"),
        ("x" * 200, "x" * 200),
        ("\u00e4\u4f60", "\u00e4\u4f60"),
    ],
)
def test_a_second_file_has_the_next_number(output, prefix, name):
    for number in (1, 2, 3):
        (file,) = save(prefix)
        assert Path(output, file).is_file()
        assert saved(output) == [f"{name}_{k:05}_.json" for k in range(1, number + 1)]


@pytest.mark.parametrize(
    "prefix",
    [
        "x" * 201,
        "\u4f60" * 67,
        "run/" + "y" * 300 + "/trace",
        "a\x00b",
        "a\ud800b",
        "a\nb",
        "con:x",
        "a|b",
        "what?",
        "a*",
    ]
    + ['"a"', "<a>", "C:\\trace", "%date:hh:mm%", "../trace", "..", "a/../../trace", "/tmp/trace", "a/" * 3000 + "x"],
)
def test_a_name_that_no_file_can_have_is_refused_by_its_widget(output, prefix):
    with pytest.raises(ValueError, match=r"^filename_prefix is "):
        save(prefix)
    assert saved(output) == []


def test_dates_and_widgets_are_filled_in(monkeypatch):
    moment = time.strptime("2031-02-03 04:05:06", "%Y-%m-%d %H:%M:%S")
    monkeypatch.setattr(files.time, "localtime", lambda: moment)
    expected = {
        "%date:yyyy-MM-dd%": "2031-02-03",
        "%date:yy-M-d%": "31-2-3",
        "%date:yyyyMMddhhmmss%": "20310203040506",
        "%date:h.m.s%": "4.5.6",
        "run-%KSampler.seed%": "run-41",
        "%Second.seed%/%KSampler.cfg%": "42/7.5",
        "%KSampler.name%": "a_b_c",
        "%year%-%width%": "%year%-%width%",  # the host's
        "100%": "100%",
    }
    assert {prefix: files.expanded(prefix, PROMPT) for prefix in expected} == expected


@pytest.mark.parametrize("prefix", ["%Nobody.seed%", "%KSampler.steps%", "%KSampler.model%"])
def test_a_widget_that_is_not_there_is_named(output, prefix):
    with pytest.raises(ValueError, match=re.escape(f"filename_prefix names {prefix}")):
        save(prefix)


def test_a_writer_that_fails_leaves_nothing(output):
    def half(path):
        Path(path).write_text("half")
        raise OSError("disk full")

    target = output / "trace.json"
    with pytest.raises(OSError, match="disk full"):
        files.write_whole(str(target), half)
    assert saved(output) == []
    target.write_text("before")
    with pytest.raises(OSError, match="disk full"):
        files.write_whole(str(target), half)
    assert saved(output) == ["trace.json"] and target.read_text() == "before"


def test_a_failed_trace_leaves_nothing(output, monkeypatch):
    def half(path, text, **kwargs):
        path.write_bytes(text.encode()[:9])
        raise OSError("disk full")

    monkeypatch.setattr(Path, "write_text", half)
    with pytest.raises(OSError, match="disk full"):
        save("trace")
    assert saved(output) == []


def test_a_reader_that_polls_never_sees_a_half(output):
    target, text, seen, done = output / "trace.json", json.dumps(list(range(2000))), [], threading.Event()

    def slowly(path):
        with open(path, "w") as file:
            for start in range(0, len(text), 1000):
                file.write(text[start : start + 1000])
                file.flush()

    def poll():
        while not done.is_set():
            with contextlib.suppress(FileNotFoundError):
                seen.append(target.read_text())

    reader = threading.Thread(target=poll)
    reader.start()
    for _ in range(50):
        files.write_whole(str(target), slowly)
        target.unlink()
    files.write_whole(str(target), slowly)
    while not seen:
        time.sleep(0.01)
    done.set()
    reader.join()
    assert set(seen) == {text}
