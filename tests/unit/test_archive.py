"""The archive that the registry serves: small, complete by itself, and without what only developers need."""

import subprocess
import sys
import zipfile

import pytest
from archive import LIMIT, files, version, write
from basin_escape.nodes import NODE_CLASS_MAPPINGS
from basin_escape.tools.pack import ROOT
from release import changes, metadata, missing

LOADED = """
import importlib.util, sys
import comfy.cli_args
comfy.cli_args.args.cpu = True
spec = importlib.util.spec_from_file_location("pack", "__init__.py", submodule_search_locations=["."])
sys.modules["pack"] = pack = importlib.util.module_from_spec(spec)
spec.loader.exec_module(pack)
pack.NODE_CLASS_MAPPINGS["LoadMemorizationTestbed"]().load("learned")
print(*sorted(pack.NODE_CLASS_MAPPINGS))
"""
FILLED = """
[project]
version = "1.2.0"
[project.urls]
Repository = "https://github.com/owner/pack"
[tool.comfy]
PublisherId = "owner"
Icon = "https://raw.githubusercontent.com/owner/pack/main/docs/icon.png"
"""
CHANGELOG = "# Changelog\n\n## 1.2.0 - 2026-01-31\n\n- New.\n\n## 1.1.0 - 2026-01-01\n\n- Old.\n"


def test_the_archive_is_small_and_loads_by_itself(tmp_path):
    """In a process of its own, from nothing but the archive."""
    assert write(tmp_path / "pack.zip") <= LIMIT
    zipfile.ZipFile(tmp_path / "pack.zip").extractall(tmp_path / "pack")
    command = [sys.executable, "-P", "-c", LOADED]
    done = subprocess.run(command, cwd=tmp_path / "pack", capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-len(NODE_CLASS_MAPPINGS) :] == sorted(NODE_CLASS_MAPPINGS)


def test_the_archive_holds_what_users_need_alone():
    found = files()
    folders = {path.split("/")[0] for path in found if "/" in path}
    assert folders == {
        "audit", "docs", "locales", "metrics", "nodes", "plots", "samplers", "testbed", "web", "workflows",
    }  # fmt: skip
    assert {path for path in found if "/" not in path} == {
        *("CHANGELOG.md", "LICENSE", "README.md", "__init__.py", "pyproject.toml", "requirements.txt")
    }
    for key in NODE_CLASS_MAPPINGS:
        assert f"web/docs/{key}.md" in found


def test_the_changelog_begins_with_this_version():
    assert changes((ROOT / "CHANGELOG.md").read_text(encoding="utf-8"))[0][0] == version()


def test_the_metadata_has_what_the_registry_asks_for():
    found = metadata((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    project, comfy = found["project"], found["tool"]["comfy"]
    assert project["name"] == "basin-escape" and project["version"].count(".") == 2
    assert 20 < len(project["description"]) < 200 and project["license"] == {"file": "LICENSE"}
    assert {"PublisherId", "DisplayName", "Icon", "requires-comfyui"} == set(comfy)
    head = (ROOT / "docs" / "icon.png").read_bytes()[:24]
    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    assert [int.from_bytes(head[at : at + 4], "big") for at in (16, 20)] == [400, 400]  # at most 800x400


def test_a_version_that_is_whole_may_be_released():
    assert missing(metadata(FILLED), CHANGELOG, "v1.2.0") == []
    assert changes(CHANGELOG) == [("1.2.0", "2026-01-31", "- New."), ("1.1.0", "2026-01-01", "- Old.")]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('PublisherId = "owner"', 'PublisherId = ""', "PublisherId is empty"),
        ('"https://github.com/owner/pack"', '""', "Repository is no"),
        ("main/docs", "main", "Icon is not"),
        ('"1.2.0"', '"1.3.0"', "the tag is v1.2.0"),
        ("2026-01-31", "unreleased", "gives 1.2.0 no date"),
        ("- New.", "", "says nothing of 1.2.0"),
        ("## 1.2.0 - 2026-01-31\n\n- New.\n", "", "begins with 1.1.0, not with 1.2.0"),
    ],
)
def test_what_is_missing_is_said(old, new, told):
    assert old in FILLED + CHANGELOG
    found = missing(metadata(FILLED.replace(old, new)), CHANGELOG.replace(old, new), "v1.2.0")
    assert any(told in sentence for sentence in found)
