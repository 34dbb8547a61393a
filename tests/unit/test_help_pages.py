"""What every node's help page has: its inputs, choices and outputs by name, a picture, the reference."""

import re

import pytest
from basin_escape.benchmarks.measure import NODES
from basin_escape.nodes import NODE_DISPLAY_NAME_MAPPINGS
from basin_escape.tools.pack import ROOT

DOCS = ROOT / "web" / "docs"
HOST_CHOICES = ("sampler_name", "scheduler")


def pictures(page):
    return re.findall(r"!\[[^\]]+\]\((.+?)\)", page)


def read(key):
    return (DOCS / f"{key}.md").read_text(encoding="utf-8")


def test_there_is_a_page_for_every_node_and_no_other():
    assert {path.stem for path in DOCS.glob("*.md")} == set(NODES)


def test_every_picture_is_shown_on_a_page():
    assert {path.name for path in DOCS.glob("*.png")} == {name for key in NODES for name in pictures(read(key))}


@pytest.mark.parametrize("key", NODES)
def test_the_page_is_complete(key):
    page = read(key)
    assert page.startswith(f"# {NODE_DISPLAY_NAME_MAPPINGS[key]}\n")
    assert pictures(page)
    assert all("/" not in name and (DOCS / name).is_file() for name in pictures(page)), "the page finds only its folder"
    assert "\n## Good to know\n" in page and "\n## Reference\n" in page
    assert "Classifier-Free Guidance inside the Attraction Basin" in page
    outputs = page.split("\n## Outputs\n")[1] if NODES[key].RETURN_TYPES else ""
    for name in getattr(NODES[key], "RETURN_NAMES", ()):
        assert f"`{name}`" in outputs, name


@pytest.mark.parametrize("key", NODES)
def test_every_input_has_a_row_with_its_choices(key):
    rows = re.findall(r"^\| (`.+?`) \| (.+) \|$", read(key), re.MULTILINE)
    described = {name: text for names, text in rows for name in re.findall(r"`(\w+)`", names)}
    groups = NODES[key].INPUT_TYPES()
    inputs = {**groups["required"], **groups.get("optional", {})}
    assert list(described) == list(inputs)
    for name, (kind, _) in inputs.items():
        for choice in kind if isinstance(kind, list) and name not in HOST_CHOICES else []:
            assert f"**{choice}**" in described[name], choice
