"""The page in another language, in either renderer."""

import json

import pytest
from basin_escape.tools.locales import LOCALES

from .conftest import load

GUIDER = 7  # in testbed_guider


@pytest.fixture
def in_chinese(server):
    """Before the page opens."""
    server.post("/settings/Comfy.Locale", "zh")
    yield json.loads((LOCALES / "zh" / "nodeDefs.json").read_text(encoding="utf-8"))
    server.post("/settings/Comfy.Locale", "en")


def test_a_translation_changes_what_is_shown_and_nothing_that_is_stored(in_chinese, page):
    workflow = load(page, "testbed_guider")
    title, labels, outputs = page.evaluate(
        """id => {
            const { title, widgets, outputs } = app.graph.getNodeById(id);
            return [title, Object.fromEntries(widgets.map(w => [w.name, w.label])), outputs.map(o => o.localized_name)];
        }""",
        GUIDER,
    )
    expected = in_chinese["BasinEscapeGuider"]
    assert title == expected["display_name"]
    assert outputs == [output["name"] for output in expected["outputs"].values()]
    for name in ("cfg", "transition", "before_transition", "memorization_threshold"):
        assert labels[name] == expected["inputs"][name]["name"]
    texts = json.loads((LOCALES / "zh" / "main.json").read_text(encoding="utf-8"))["basinEscape"]
    title = page.locator(".basin-escape-badge").get_attribute("title")
    assert title == texts["mitigation is on: click to switch it off"]
    stored = page.evaluate("app.graph.serialize().nodes.map(node => [node.id, node.widgets_values ?? []])")
    assert dict(stored) == {node["id"]: node.get("widgets_values", []) for node in workflow["nodes"]}
    assert page.complaints == []
