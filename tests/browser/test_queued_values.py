"""The page shows what will be queued: values that come from elsewhere, nodes that take no part, typed numbers."""

import pytest

from .conftest import load

pytestmark = pytest.mark.usefixtures("current_renderer")

GUIDER = 7  # in testbed_guider
QUEUED = """async () => Object.values((await app.graphToPrompt()).output)
    .find(node => node.class_type === "BasinEscapeGuider").inputs.transition"""
CONNECT = """([id, type, name]) => {
    const node = app.graph.getNodeById(id), other = LiteGraph.createNode(type);
    app.graph.add(other);
    other.connect(0, node, node.inputs.findIndex(input => input.name === name));
    return other.id;
}"""
BADGES = "[...document.querySelectorAll('.basin-escape-badge')]"


def toggle(page):
    page.evaluate("app.extensionManager.command.execute('BasinEscape.ToggleMitigation')")


def badge_becomes(page, state):
    page.wait_for_function(f"state => {BADGES}[0].dataset.state === state", arg=state, timeout=5000)


def hidden(page):
    return page.evaluate("id => app.graph.getNodeById(id).widgets.filter(w => w.hidden).map(w => w.name)", GUIDER)


def words_become(page, text):
    words = "document.querySelector('.basin-escape-curve').innerText"
    page.wait_for_function(f"text => {words}.includes(text)", arg=text, timeout=5000)


def test_a_primitive_is_followed_and_switched(page):
    load(page, "testbed_guider")
    primitive = page.evaluate(CONNECT, [GUIDER, "PrimitiveNode", "transition"])
    page.evaluate(
        "id => { const [w] = app.graph.getNodeById(id).widgets; w.value = 'static'; w.callback?.('static'); }",
        primitive,
    )
    badge_becomes(page, "on")
    page.wait_for_timeout(500)
    assert "latest_percent" in hidden(page) and "static_percent" not in hidden(page)
    toggle(page)
    badge_becomes(page, "off")
    assert page.evaluate(QUEUED) == "off"
    toggle(page)
    badge_becomes(page, "on")
    assert page.evaluate(QUEUED) == "static"
    assert page.complaints == []


def test_what_another_node_computes_is_said_and_left_alone(page):
    load(page, "testbed_guider")
    page.evaluate(
        """() => {
            class Chooser extends LiteGraph.LGraphNode {
                constructor() { super("Chooser"); this.addOutput("any", "*"); }
            }
            LiteGraph.registerNodeType("test/Chooser", Chooser);
        }"""
    )
    page.evaluate(CONNECT, [GUIDER, "test/Chooser", "transition"])
    badge_becomes(page, "unknown")
    assert "Chooser" in page.evaluate(f"{BADGES}[0].title")
    assert not {"static_percent", "latest_percent"} & set(hidden(page))
    value = "id => app.graph.getNodeById(id).widgets.find(w => w.name === 'transition').value"
    before = page.evaluate(value, GUIDER)
    toggle(page)
    assert "change it there: Chooser" in page.locator("[role=alert]").first.inner_text()
    assert page.evaluate(value, GUIDER) == before
    assert page.complaints == []


def test_a_connected_percent_stays_in_sight(page):
    load(page, "testbed_guider")
    assert "static_percent" in hidden(page)
    page.evaluate(CONNECT, [GUIDER, "PrimitiveFloat", "static_percent"])
    page.wait_for_function(
        "id => !app.graph.getNodeById(id).widgets.find(w => w.name === 'static_percent').hidden",
        arg=GUIDER,
        timeout=5000,
    )
    assert page.complaints == []


def test_a_promoted_choice_is_followed_and_switched(page):
    load(page, "testbed_guider")
    box = page.evaluate(
        """id => {
            const { node } = app.graph.convertToSubgraph(new Set([app.graph.getNodeById(id)]));
            const inner = node.subgraph.nodes.find(node => node.comfyClass === "BasinEscapeGuider");
            window.badge = inner.widgets.find(w => w.name === "guidance_curve").element.querySelector("button");
            const input = inner.inputs.find(input => input.name === "transition");
            node.subgraph.addInput("transition", "COMBO").connect(input, inner);
            return node.id;
        }""",
        GUIDER,
    )
    page.wait_for_function("window.badge.dataset.state === 'on'", timeout=5000)
    page.evaluate(
        """id => {
            const choice = app.graph.getNodeById(id).widgets.find(w => w.name === "transition");
            choice.value = "off";
            choice.callback?.("off");
        }""",
        box,
    )
    page.wait_for_function("window.badge.dataset.state === 'off'", timeout=5000)
    assert page.evaluate(QUEUED) == "off"
    toggle(page)
    page.wait_for_function("window.badge.dataset.state === 'on'", timeout=5000)
    assert page.evaluate(QUEUED) == "dynamic"
    assert page.complaints == []


@pytest.mark.parametrize(("mode", "words"), [(4, "bypassed"), (2, "muted")])
def test_a_node_that_takes_no_part_says_so(page, mode, words):
    load(page, "testbed_guider")
    page.evaluate("([id, mode]) => { app.graph.getNodeById(id).mode = mode; }", [GUIDER, mode])
    words_become(page, words)
    page.evaluate("id => { app.graph.getNodeById(id).mode = 0; }", GUIDER)
    page.wait_for_function("!document.querySelector('.basin-escape-curve').innerText.includes('ed:')", timeout=5000)
    assert page.complaints == []


def place(page, name):
    """The middle of a number widget on the screen."""
    if page.evaluate("Boolean(LiteGraph.vueNodesMode)"):
        box = page.locator(f"[data-node-id='{GUIDER}'] input[aria-valuenow='0.5']").bounding_box()
        return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    return page.evaluate(
        """([id, name]) => {
            const node = app.graph.getNodeById(id), { offset, scale } = app.canvas.ds;
            const { last_y } = node.widgets.find(widget => widget.name === name);
            const [x, y] = [node.pos[0] + node.size[0] / 2, node.pos[1] + last_y + 12];
            return [(x + offset[0]) * scale, (y + offset[1]) * scale];
        }""",
        [GUIDER, name],
    )


@pytest.mark.parametrize(
    ("typed", "value", "words"),
    [
        ("500", 0.5, "500 looks like the timestep of the paper: set to 0.5"),
        ("30", 0.3, "30 looks like a percentage: set to 0.3"),
        ("4000", 1, "4000 is out of range: set to 1"),
        ("0.25", 0.25, ""),
    ],
)
def test_a_typed_number_is_understood(page, typed, value, words):
    load(page, "testbed_guider")
    choice = "app.graph.getNodeById(id).widgets.find(w => w.name === 'transition')"
    page.evaluate(f"id => {{ {choice}.value = 'static'; {choice}.callback('static'); }}", GUIDER)
    page.wait_for_timeout(700)
    x, y = place(page, "static_percent")
    (page.mouse.click if page.evaluate("Boolean(LiteGraph.vueNodesMode)") else page.mouse.dblclick)(x, y)
    page.wait_for_timeout(500)
    page.keyboard.press("Control+a")
    page.keyboard.type(typed)
    page.keyboard.press("Enter")
    percent = "app.graph.getNodeById(id).widgets.find(w => w.name === 'static_percent').value"
    page.wait_for_function(f"([id, value]) => {percent} === value", arg=[GUIDER, value], timeout=5000)
    words_become(page, words)
    if not words:
        assert page.locator("[data-kind=note]").count() == 0
    assert page.complaints == []
