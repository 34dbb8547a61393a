"""Every node of the pack in the page: it mounts, works inside a subgraph, and leaves nothing behind."""

import pytest
from basin_escape.benchmarks.measure import NODES

from .conftest import load, open_application, queue, run_anew

ADD = """type => {
    const node = LiteGraph.createNode(type);
    node.pos = [100, 100];
    app.graph.add(node);
    return node.id;
}"""
PLOT = 14  # in testbed_guider
PACK = """app.graph._nodes.filter(node => node.comfyClass?.startsWith("BasinEscape"))"""


@pytest.mark.parametrize("name", NODES)
def test_a_node_mounts(page, server, name):
    load(page, "sd15_drop_in")
    node_id = page.evaluate(ADD, name)
    inputs = server.get("/object_info")[name]["input"]
    known = {key for group in ("required", "optional") for key in inputs.get(group, {})}
    shown = page.evaluate(
        """id => {
            const node = app.graph.getNodeById(id);
            return [...(node.inputs ?? []), ...(node.widgets ?? [])].map(({ name }) => name);
        }""",
        node_id,
    )
    extra = {"control_after_generate", "guidance_curve"}
    assert known <= set(shown) <= known | extra
    if page.evaluate("Boolean(window.LiteGraph.vueNodesMode)"):
        assert page.locator(f"[data-node-id='{node_id}']").is_visible()
    page.wait_for_timeout(300)
    assert page.complaints == []


def shown_pictures(page):
    """Addresses of the pictures that the plot node of the guider workflow shows, once it shows one."""
    script = f"(app.graph.getNodeById({PLOT}).imgs ?? []).map(img => img.src)"
    if page.evaluate("Boolean(window.LiteGraph.vueNodesMode)"):
        script = f"[...document.querySelectorAll('[data-node-id=\"{PLOT}\"] img')].map(img => img.src)"
    page.wait_for_function(f"{script}.length > 0", timeout=60_000)
    return page.evaluate(script)


def test_the_plot_shows_its_picture_and_again_in_a_new_page(page, server, current_renderer):
    load(page, "testbed_guider")
    for _ in range(2):
        queue(page, server)  # the second time all is cached
        page.evaluate(f"app.canvas.centerOnNode(app.graph.getNodeById({PLOT}))")
        (picture,) = shown_pictures(page)
        assert "basin_escape_" in picture and page.complaints == []
        open_application(page, server)
        page.complaints.clear()  # while it starts, the frontend of ComfyUI 0.3.64 raises an error of its own
        load(page, "testbed_guider")


def to_subgraph(page):
    """Put the guider into a subgraph, as the page's own button does. Returns the subgraph node's id."""
    return page.evaluate(
        f"""() => {{
            const {{ node }} = app.graph.convertToSubgraph(new Set({PACK}));
            return node.id;
        }}"""
    )


def test_inside_a_subgraph(page, server, current_renderer):
    """The curve reaches the node, the switch turns it, and the prompt is the one of the flat graph."""
    load(page, "testbed_guider")
    flat = page.evaluate("async () => (await app.graphToPrompt()).output")
    subgraph_id = to_subgraph(page)
    prompt = page.evaluate("async () => (await app.graphToPrompt()).output")
    assert sorted(entry["class_type"] for entry in prompt.values()) == sorted(
        entry["class_type"] for entry in flat.values()
    )
    page.evaluate("app.extensionManager.command.execute('BasinEscape.ToggleMitigation')")
    assert transition_within(page, subgraph_id) == "off"
    page.evaluate("app.extensionManager.command.execute('BasinEscape.ToggleMitigation')")
    assert transition_within(page, subgraph_id) == "dynamic"
    run_anew(page, server)
    page.evaluate(
        """id => {
            const node = app.graph.getNodeById(id);
            app.canvas.openSubgraph(node.subgraph, node);
        }""",
        subgraph_id,
    )
    page.wait_for_function("document.querySelector('.basin-escape-curve canvas')?.dataset.steps === '50'")
    assert page.evaluate("document.querySelector('.basin-escape-curve canvas').ariaLabel").startswith("protecting: ")
    assert page.complaints == []


def transition_within(page, subgraph_id):
    return page.evaluate(
        """id => app.graph.getNodeById(id).subgraph.nodes
            .flatMap(node => node.widgets ?? []).find(widget => widget.name === "transition").value""",
        subgraph_id,
    )


def observers(session):
    """How many ResizeObservers are alive: every curve has one, the page some of its own."""
    session.send("HeapProfiler.collectGarbage")
    prototype = session.send("Runtime.evaluate", {"expression": "ResizeObserver.prototype"})["result"]["objectId"]
    found = session.send("Runtime.queryObjects", {"prototypeObjectId": prototype})["objects"]["objectId"]
    length = {"objectId": found, "functionDeclaration": "function() { return this.length; }", "returnByValue": True}
    return session.send("Runtime.callFunctionOn", length)["result"]["value"]


def listeners(session):
    """Of the newest curve that was in the page."""
    canvas = session.send("Runtime.evaluate", {"expression": "window.curve"})["result"]["objectId"]
    return len(session.send("DOMDebugger.getEventListeners", {"objectId": canvas})["listeners"])


def test_a_removed_node_leaves_nothing_behind(page):
    load(page, "sd15_drop_in")
    session = page.context.new_cdp_session(page)
    alive = []
    for name in ("BasinEscapeModelPatch", "BasinEscapeGuider", "BasinEscapeKSampler"):
        node_id = page.evaluate(ADD, name)
        page.evaluate(
            "id => { window.curve = app.graph.getNodeById(id).widgets.at(-1).element.querySelector('canvas'); }",
            node_id,
        )
        assert listeners(session) == 2
        page.evaluate("id => app.graph.remove(app.graph.getNodeById(id))", node_id)
        page.wait_for_timeout(300)
        assert listeners(session) == 0
        alive.append(observers(session))
    assert alive == alive[:1] * 3
