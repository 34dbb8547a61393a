"""The page in another language, in either renderer."""

import json
import re

import pytest
from basin_escape.tools.locales import LOCALES

from .conftest import load, run_anew

GUIDER = 7  # in testbed_guider


def speaking(server, language):
    """Before the page opens."""
    server.post("/settings/Comfy.Locale", language)
    yield {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in (LOCALES / language).glob("*.json")}
    server.post("/settings/Comfy.Locale", "en")


@pytest.fixture
def in_chinese(server):
    yield from speaking(server, "zh")


def test_a_translation_changes_what_is_shown_and_nothing_that_is_stored(in_chinese, page):
    workflow = load(page, "testbed_guider")
    title, labels, outputs = page.evaluate(
        """id => {
            const { title, widgets, outputs } = app.graph.getNodeById(id);
            return [title, Object.fromEntries(widgets.map(w => [w.name, w.label])), outputs.map(o => o.localized_name)];
        }""",
        GUIDER,
    )
    expected = in_chinese["nodeDefs"]["BasinEscapeGuider"]
    assert title == expected["display_name"]
    assert outputs == [output["name"] for output in expected["outputs"].values()]
    for name in ("cfg", "transition", "before_transition", "memorization_threshold"):
        assert labels[name] == expected["inputs"][name]["name"]
    texts = in_chinese["main"]["basinEscape"]
    title = page.locator(".basin-escape-badge").get_attribute("title")
    assert title == texts["mitigation is on: click to switch it off"]
    stored = page.evaluate("app.graph.serialize().nodes.map(node => [node.id, node.widgets_values ?? []])")
    assert dict(stored) == {node["id"]: node.get("widgets_values", []) for node in workflow["nodes"]}
    assert page.complaints == []


def test_what_a_run_says_of_itself_is_translated(in_chinese, page, server, current_renderer):
    texts = in_chinese["main"]["basinEscape"]
    load(page, "testbed_guider")
    run_anew(page, server)
    page.wait_for_function("document.querySelector('.basin-escape-curve canvas')?.dataset.steps === '50'")
    status, words = page.evaluate("[...document.querySelectorAll('.basin-escape-curve span')].map(s => s.textContent)")
    assert status == texts["protecting: opposite guidance"]
    assert re.sub(r"\d+", "#", words) == texts["CFG began at steps #-# (# of # images)"]
    assert page.complaints == []
