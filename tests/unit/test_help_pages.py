"""What every node's help page has: its inputs, choices and outputs by name, a picture, the reference."""

import re

import pytest
from basin_escape.benchmarks.measure import NODES
from basin_escape.nodes import NODE_DISPLAY_NAME_MAPPINGS
from basin_escape.tools.docs import HOST_CHOICES, PARTS, current, listed, pages, part
from basin_escape.tools.pack import ROOT

DOCS = ROOT / "web" / "docs"
LONGEST = 10_000  # characters: a page is read in a panel of 272 pixels


def pictures(page):
    return re.findall(r"!\[[^\]]+\]\((.+?)\)", page)


def read(key):
    return (DOCS / f"{key}.md").read_text(encoding="utf-8")


def test_there_is_a_page_for_every_node_and_no_other():
    assert {path.stem for path in DOCS.glob("*.md")} == set(NODES)


def test_every_picture_is_shown_on_a_page():
    assert {path.name for path in DOCS.glob("*.png")} == {name for key in NODES for name in pictures(read(key))}


@pytest.mark.parametrize("path", pages(), ids=lambda path: path.stem)
def test_what_is_said_in_several_places_is_current(path):
    assert path.read_text(encoding="utf-8") == current(path), "run `make docs`"


def test_every_part_is_on_a_page():
    names = {name for path in pages() for name in re.findall(r"<!-- from (\S+) -->", path.read_text(encoding="utf-8"))}
    assert names == {"inputs", "nodes", "families", "field", "probe", *(path.stem for path in PARTS.glob("*.md"))}


@pytest.mark.parametrize("key", NODES)
def test_the_page_is_complete(key):
    page = read(key)
    assert page.startswith(f"# {NODE_DISPLAY_NAME_MAPPINGS[key]}\n")
    assert pictures(page) and len(page) <= LONGEST
    assert all("/" not in name and (DOCS / name).is_file() for name in pictures(page)), "the page finds only its folder"
    assert "\n## Good to know\n" in page
    assert re.search(r"\*[^*]{20,}\*", page.split("\n## Reference\n")[1]), "the title of a paper"
    outputs = page.split("\n## Outputs\n")[1] if NODES[key].RETURN_TYPES else ""
    for name in getattr(NODES[key], "RETURN_NAMES", ()):
        assert f"`{name}`" in outputs, name


@pytest.mark.parametrize("key", NODES)
def test_every_input_has_a_heading_and_its_choices(key):
    described = dict(re.findall(r"^### `(\w+)`\n\n(.+?)\n(?=\n#|\Z)", part("inputs", key), re.MULTILINE | re.DOTALL))
    groups = NODES[key].INPUT_TYPES()
    inputs = {**groups["required"], **groups.get("optional", {})}
    assert list(described) == list(inputs) and part("inputs", key).strip() in read(key)
    for name, (kind, options) in inputs.items():
        for choice in kind if isinstance(kind, list) and name not in HOST_CHOICES else []:
            assert f"**{choice}**" in described[name], choice
        if kind in ("INT", "FLOAT"):
            assert f"{options['default']:g}" in described[name], name


def test_choices_become_a_list_where_each_is_described():
    tooltip = "What it does. red: one. dark red (ours): two, unlike red."
    expected = "What it does.\n\n- **red** (default): one.\n- **dark red** (ours): two, unlike red."
    assert listed(tooltip, ["red", "dark red"], "red") == expected
    assert listed("Either red or dark red, not red.", ["red", "dark red"], "red") == (
        "Either **red** or **dark red**, not red."
    )
