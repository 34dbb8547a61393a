"""The curve that draws itself while an image forms, in either renderer."""

import itertools
import json

import pytest
from basin_escape.samplers.trace import GuidanceTrace

from .conftest import load, queue

CURVES = "[...document.querySelectorAll('.basin-escape-curve canvas')]"


pytestmark = pytest.mark.usefixtures("current_renderer")

SEEDS = itertools.count(1000)


def run_anew(page, server):
    """Run what is open with seeds that the server has not seen: a cached sampler has no curve to draw."""
    seeds = "app.graph._nodes.flatMap(node => node.widgets ?? []).filter(widget => /^(noise_)?seed$/.test(widget.name))"
    page.evaluate(f"seed => {seeds}.forEach(widget => {{ widget.value = seed; }})", next(SEEDS))
    return queue(page, server)


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
    run = GuidanceTrace.from_json((server.base / "output" / file).read_text(encoding="utf-8")).runs[-1]
    page.wait_for_function(f"{CURVES}.some(canvas => canvas.dataset.steps === '50')")
    ((words, steps),) = shown(page)
    assert steps == len(run.observations) == 50
    first, last = run.transition_step.min().item(), run.transition_step.max().item()
    assert words == f"CFG from steps {first} to {last} in 4 of 4"
    assert painted(page) == [True] and page.complaints == []


def test_each_node_shows_its_own_curve(page, server):
    load(page, "testbed_model_patch")
    run_anew(page, server)
    page.wait_for_function(f"{CURVES}.filter(canvas => canvas.dataset.steps === '50').length === 2")
    words = sorted(words for words, _ in shown(page))
    assert words[1] == "plain CFG" and words[0].startswith("CFG from step")
    assert page.complaints == []


def test_nothing_of_the_curve_is_stored(page, server):
    load(page, "testbed_guider")
    run_anew(page, server)
    page.wait_for_function(f"{CURVES}.some(canvas => canvas.dataset.steps === '50')")
    saved = page.evaluate("app.graph.serialize()")
    (values,) = (node["widgets_values"] for node in saved["nodes"] if node["type"] == "BasinEscapeGuider")
    assert len(values) == 8 and "timesteps" not in json.dumps(saved)


@pytest.mark.parametrize("name", ["testbed_guider", "testbed_model_patch", "sd15_drop_in"])
def test_a_removed_node_takes_its_curve_along(page, name):
    load(page, name)
    assert shown(page)
    page.evaluate(
        "app.graph._nodes.filter(node => node.comfyClass?.startsWith('BasinEscape')).forEach(n => app.graph.remove(n))"
    )
    page.wait_for_function(f"{CURVES}.length === 0")
    assert page.complaints == []
