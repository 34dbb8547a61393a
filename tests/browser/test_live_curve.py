"""The curve that draws itself while an image forms, in either renderer."""

import json

import pytest
from basin_escape.tests.support.saved import read_trace

from .conftest import load, load_pair, run_anew

CURVES = "[...document.querySelectorAll('.basin-escape-curve canvas')]"

pytestmark = pytest.mark.usefixtures("current_renderer")


def shown(page):
    """What the curves in the page say of themselves."""
    return page.evaluate(f"{CURVES}.map(canvas => [canvas.ariaLabel, Number(canvas.dataset.steps ?? 0)])")


def painted(page):
    """Whether every curve has a size and something drawn."""
    return page.evaluate(
        CURVES
        + """.map(canvas => {
            const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
            return new Set(data).size > 20;
        })"""
    )


def test_the_curve_has_every_step_and_the_transition_of_the_saved_trace(page, server):
    load(page, "testbed_guider")
    entry = run_anew(page, server)
    (file,) = next(output["text"] for output in entry["outputs"].values() if "text" in output)
    run = read_trace(server.base / "output" / file).runs[-1]
    page.wait_for_function(f"{CURVES}.some(canvas => canvas.dataset.steps === '50')")
    ((words, steps),) = shown(page)
    assert steps == run.steps == 50
    first, last = run.transition_step.min().item(), run.transition_step.max().item()
    status, words = words.split(". ")
    assert status == "protecting: opposite guidance" and words == f"CFG began at steps {first}-{last} (4 of 4 images)"
    assert painted(page) == [True] and page.complaints == []


def test_each_node_shows_its_own_curve(page, server):
    load_pair(page)
    run_anew(page, server)
    page.wait_for_function(f"{CURVES}.filter(canvas => canvas.dataset.steps === '50').length === 2")
    words = sorted(words for words, _ in shown(page))
    assert (
        words[0] == "off: plain CFG."
        and words[1] == "protecting: orthogonal guidance. kept off the image of the first step"
    )
    assert page.complaints == []


def test_nothing_of_the_curve_is_stored(page, server):
    load(page, "testbed_guider")
    run_anew(page, server)
    page.wait_for_function(f"{CURVES}.some(canvas => canvas.dataset.steps === '50')")
    saved = page.evaluate("app.graph.serialize()")
    (values,) = (node["widgets_values"] for node in saved["nodes"] if node["type"] == "BasinEscapeGuider")
    assert len(values) == 9 and "timesteps" not in json.dumps(saved)


@pytest.mark.parametrize("name", ["testbed_guider", "testbed_model_patch", "sd15_drop_in"])
def test_a_removed_node_takes_its_curve_along(page, name):
    load(page, name)
    assert shown(page)
    page.evaluate(
        "app.graph._nodes.filter(node => node.comfyClass?.startsWith('BasinEscape')).forEach(n => app.graph.remove(n))"
    )
    page.wait_for_function(f"{CURVES}.length === 0")
    assert page.complaints == []


def height(page):
    return page.evaluate("document.querySelector('.basin-escape-curve').clientHeight")


def set_setting(page, name, value):
    page.evaluate("([name, value]) => app.extensionManager.setting.set(name, value)", [name, value])
    page.wait_for_timeout(500)


def test_the_settings_take_effect_at_once(page):
    load(page, "testbed_guider")
    page.evaluate("app.canvas.ds.scale = 1")
    try:
        set_setting(page, "BasinEscape.LiveCurve", False)
        assert height(page) == 34  # the words and the badge
        assert page.locator(".basin-escape-badge").is_visible()
        set_setting(page, "BasinEscape.CurveHeight", 240)
        set_setting(page, "BasinEscape.LiveCurve", True)
        assert height(page) >= 240
    finally:
        set_setting(page, "BasinEscape.CurveHeight", 170)
    assert page.complaints == []


def test_the_pointer_shows_the_values(page, server):
    load(page, "testbed_guider")
    run_anew(page, server)
    page.wait_for_function(f"{CURVES}.some(canvas => canvas.dataset.steps === '50')")
    page.wait_for_timeout(500)
    before = page.evaluate(f"{CURVES}[0].toDataURL()")
    page.evaluate(f"{CURVES}[0].dispatchEvent(new PointerEvent('pointermove', {{ clientX: 1, bubbles: false }}))")
    assert page.evaluate(f"{CURVES}[0].toDataURL()") != before
    page.evaluate(f"{CURVES}[0].dispatchEvent(new PointerEvent('pointerleave'))")
    assert page.evaluate(f"{CURVES}[0].toDataURL()") == before


def test_a_zoom_leaves_the_curve_sharp(page):
    load(page, "testbed_guider")
    pixels = f"{CURVES}[0].width"
    zoom = """scale => {
        const { pos } = app.graph._nodes.find(node => node.type === "BasinEscapeGuider");
        app.canvas.ds.scale = scale;
        app.canvas.ds.offset = [50 - pos[0], 50 - pos[1]]; // a node out of sight has no size
        app.canvas.setDirty(true, true);
    }"""
    for scale in (1, 2):
        page.evaluate(zoom, scale)
        page.wait_for_function(f"scale => {pixels} === {CURVES}[0].clientWidth * scale", arg=scale, timeout=5000)
    assert page.complaints == []
