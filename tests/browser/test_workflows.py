"""The example workflows in the page: whole, readable at once, nothing on top of anything else; and they run."""

import pytest
from basin_escape.tests.support.server import ui_to_api
from basin_escape.tests.support.workflows import FILES, ON_THE_TESTBED

from .conftest import load, run_anew

# [title, x, y, width, height] of nodes and groups in the graph's units, as the renderer shows them.
BOXES = """() => {
    const { scale, offset } = app.canvas.ds;
    const shown = ({ id, boundingRect, getBounding }) => {
        if (!LiteGraph.vueNodesMode) return [...(boundingRect ?? getBounding())].slice(0, 4);
        const { x, y, width, height } = document.querySelector(`[data-node-id='${id}']`).getBoundingClientRect();
        return [x / scale - offset[0], y / scale - offset[1], width / scale, height / scale];
    };
    const nodes = app.graph._nodes.map(node => [node.title, ...shown(node)]);
    const groups = app.graph._groups.map(({ title, pos, size }) => [title, ...pos, ...size]);
    return [nodes, groups];
}"""
FEWER_STEPS = """() => app.graph._nodes.flatMap(node => node.widgets ?? [])
    .filter(({ name, value }) => name === "steps" && value >= 25).forEach(widget => { widget.value = 8; })"""
VIEWPORTS = [(1600, 1000), (1280, 800)]


def meet(one, other):
    """Whether two boxes have more than an edge in common."""
    return all(min(one[k] + one[k + 2], other[k] + other[k + 2]) - max(one[k], other[k]) > 1 for k in (1, 2))


def within(one, other):
    return all(one[k] >= other[k] - 1 and one[k] + one[k + 2] <= other[k] + other[k + 2] + 1 for k in (1, 2))


def collisions(page):
    """Titles of nodes and groups that cover one another, and of nodes that stick out of a group."""
    nodes, groups = page.evaluate(BOXES)
    pairs = [(one, other) for boxes in (nodes, groups) for k, one in enumerate(boxes) for other in boxes[k + 1 :]]
    out = [(node, group) for node in nodes for group in groups if not within(node, group)]
    return [(one[0], other[0]) for one, other in [*pairs, *out] if meet(one, other)]


@pytest.mark.parametrize("name", FILES)
def test_a_workflow_loads_whole(page, server, name):
    workflow = load(page, name)
    known = page.evaluate("Object.keys(LiteGraph.registered_node_types)")
    assert {node["type"] for node in workflow["nodes"]} <= set(known)
    prompt = page.evaluate("async () => (await app.graphToPrompt()).output")
    info = server.get("/object_info")
    page_prompt = {}
    for key, entry in prompt.items():
        groups = info[entry["class_type"]]["input"]
        # The page has widgets of its own: on Preview as Text in ComfyUI 0.3.64, and the slider of Compare Images.
        known = {name for group in ("required", "optional") for name in groups.get(group, {})}
        inputs = {
            name: value for name, value in entry["inputs"].items() if name in known and not isinstance(value, dict)
        }
        page_prompt[key] = {"class_type": entry["class_type"], "inputs": inputs}
    assert page_prompt == ui_to_api(workflow, info)
    assert not any(info[entry["class_type"]].get("deprecated") for entry in page_prompt.values())
    assert page.complaints == []


@pytest.mark.parametrize("name", FILES)
def test_saving_keeps_every_value(page, name):
    workflow = load(page, name)
    saved = page.evaluate("app.graph.serialize()")
    values = {node["id"]: node.get("widgets_values", []) for node in saved["nodes"]}
    assert values == {node["id"]: node["widgets_values"] for node in workflow["nodes"]}


@pytest.mark.parametrize("name", FILES)
def test_a_workflow_opens_readable_and_in_one_screen(page, current_renderer, name):
    """The classic canvas writes no text below a zoom of 8/14. The first workflow is readable on a small screen too."""
    for width, height in VIEWPORTS[: 2 if name == "testbed_model_patch" else 1]:
        page.set_viewport_size({"width": width, "height": height})
        page.wait_for_timeout(500)
        load(page, name)
        page.wait_for_timeout(1000)
        scale, offset = page.evaluate("[app.canvas.ds.scale, [...app.canvas.ds.offset]]")
        assert scale > 8 / 14 and not page.evaluate("Boolean(app.canvas.low_quality)")
        for _, *box in page.evaluate(BOXES)[0]:
            for k, size in enumerate((width, height)):
                first, last = ((edge + offset[k]) * scale for edge in (box[k], box[k] + box[k + 2]))
                assert first >= 0 and last <= size
        assert collisions(page) == []


@pytest.mark.parametrize("name", ON_THE_TESTBED)
def test_a_testbed_workflow_runs_from_the_page_and_nothing_covers_anything(page, server, current_renderer, name):
    """With previews on the nodes that sample."""
    load(page, name)
    page.evaluate(FEWER_STEPS)
    entry = run_anew(page, server)
    assert entry["status"]["status_str"] == "success" and entry["outputs"]
    page.wait_for_timeout(2000)
    assert collisions(page) == []
    assert page.complaints == []
