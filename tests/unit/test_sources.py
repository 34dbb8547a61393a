"""What no source of the pack does, read from the sources."""

import ast

import pytest
from basin_escape.tools.pack import ROOT

FOLDERS = ("nodes", "samplers", "plots", "metrics", "testbed")
SOURCES = {
    path.relative_to(ROOT).as_posix(): ast.parse(path.read_text(encoding="utf-8"))
    for folder in FOLDERS
    for path in sorted((ROOT / folder).rglob("*.py"))
}
WRITES = ("write_text", "write_bytes", "save", "savefig", "dump", "tofile", "imsave")


def calls(tree):
    return [part for part in ast.walk(tree) if isinstance(part, ast.Call)]


def name(call):
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def writes(call):
    return name(call) in WRITES or (name(call) == "open" and len(call.args) + len(call.keywords) > 1)


def test_there_are_sources():
    assert len(SOURCES) > 50 and "nodes/files.py" in SOURCES


@pytest.mark.parametrize("path", SOURCES)
def test_every_file_is_written_whole(path):
    """By files.write_whole, which moves it to its name once it is complete."""
    allowed = [part for call in calls(SOURCES[path]) if name(call) == "write_whole" for part in calls(call)]
    found = [f"line {call.lineno}" for call in calls(SOURCES[path]) if writes(call) and call not in allowed]
    assert not found


@pytest.mark.parametrize("path", SOURCES)
def test_no_copy_but_one_leaves_out_the_wait(path):
    """guidance.on_device knows on which devices that is safe."""
    keywords = [part for part in ast.walk(SOURCES[path]) if isinstance(part, ast.keyword)]
    found = [keyword for keyword in keywords if keyword.arg == "non_blocking"]
    assert len(found) == (path == "samplers/guidance.py")
    assert not any(isinstance(keyword.value, ast.Constant) for keyword in found)
