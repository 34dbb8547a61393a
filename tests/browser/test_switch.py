"""The widgets that matter, and the switch, in either renderer."""

import pytest

from .conftest import SEEDS, load, load_pair

pytestmark = pytest.mark.usefixtures("current_renderer")

GUIDER = 7  # in testbed_guider
ON = "never"  # what the patch of the first example has
CHOICES = {
    ("dynamic", "zero guidance"): ["latest_percent"],
    ("dynamic", "opposite guidance"): ["latest_percent", "opposite_scale"],
    ("static", "conditional only"): ["static_percent"],
    ("static", "opposite guidance"): ["static_percent", "opposite_scale"],
    ("off", "opposite guidance"): [],
}
PLACES = "Object.fromEntries(app.graph._nodes.map(node => [node.id, [...node.pos]]))"
SAVED_VALUES = """app.graph.serialize().nodes.filter(node => node.widgets_values?.length)
    .map(node => [node.id, node.widgets_values])"""
EFFECTS = ("static_percent", "latest_percent", "opposite_scale")


def choose(page, **values):
    """Set widgets of the guider as a user does: by value and callback."""
    page.evaluate(
        """([id, values]) => {
            const node = app.graph.getNodeById(id);
            for (const widget of node.widgets) {
                if (widget.name in values) {
                    widget.value = values[widget.name];
                    widget.callback?.(widget.value);
                }
            }
        }""",
        [GUIDER, values],
    )


def values(page):
    return page.evaluate(
        "id => Object.fromEntries(app.graph.getNodeById(id).widgets.map(w => [w.name, w.value ?? null]))", GUIDER
    )


def in_sight(page):
    """The widgets that the renderer shows of the guider."""
    if page.evaluate("Boolean(window.LiteGraph.vueNodesMode)"):
        page.wait_for_timeout(300)
        text = page.locator(f"[data-node-id='{GUIDER}']").inner_text()
        return [name for name in EFFECTS if name in text]
    shown = page.evaluate("id => app.graph.getNodeById(id).widgets.filter(w => !w.hidden).map(w => w.name)", GUIDER)
    return [name for name in EFFECTS if name in shown]


def test_only_the_widgets_that_matter_are_in_sight(page):
    load(page, "testbed_guider")
    for (transition, before), expected in CHOICES.items():
        choose(page, transition=transition, before_transition=before)
        assert in_sight(page) == [name for name in EFFECTS if name in expected]
    assert page.complaints == []


def test_values_out_of_sight_are_saved_and_loaded(page):
    load(page, "testbed_guider")
    choose(page, static_percent=0.123, latest_percent=0.456, opposite_scale=7.5)
    choose(page, transition="off", before_transition="zero guidance")
    assert in_sight(page) == []
    page.evaluate("async () => app.loadGraphData(app.graph.serialize())")
    page.wait_for_timeout(500)
    kept = values(page)
    assert (kept["static_percent"], kept["latest_percent"], kept["opposite_scale"]) == (0.123, 0.456, 7.5)
    assert in_sight(page) == []
    prompt = page.evaluate("async () => (await app.graphToPrompt()).output")
    assert prompt[str(GUIDER)]["inputs"]["static_percent"] == 0.123
    assert page.complaints == []


def test_a_pasted_node_shows_what_matters_for_its_own_values(page):
    load(page, "testbed_guider")
    choose(page, transition="static", before_transition="opposite guidance")
    shown = page.evaluate(
        """id => {
            app.canvas.selectItems([app.graph.getNodeById(id)]);
            app.canvas.copyToClipboard();
            app.canvas.pasteFromClipboard();
            const pasted = app.graph.nodes.at(-1);
            return [pasted.id, pasted.comfyClass, pasted.widgets.filter(w => !w.hidden).map(w => w.name)];
        }""",
        GUIDER,
    )
    assert shown[0] != GUIDER and shown[1] == "BasinEscapeGuider"
    assert [name for name in EFFECTS if name in shown[2]] == ["static_percent", "opposite_scale"]
    assert page.complaints == []


def execute(page, command):
    page.evaluate("command => app.extensionManager.command.execute(command)", command)


def transitions(page):
    return page.evaluate(
        "app.graph._nodes.flatMap(node => node.widgets ?? []).filter(w => w.name === 'transition').map(w => w.value)"
    )


def badges(page):
    return page.evaluate("[...document.querySelectorAll('.basin-escape-badge')].map(badge => badge.dataset.state)")


def test_the_switch_turns_all_off_and_back(page):
    load_pair(page)
    assert sorted(transitions(page)) == [ON, "off"] and sorted(badges(page)) == ["off", "on"]
    execute(page, "BasinEscape.ToggleMitigation")
    assert transitions(page) == ["off", "off"] and badges(page) == ["off", "off"]
    page.evaluate("async () => app.loadGraphData(app.graph.serialize())")
    page.wait_for_timeout(500)
    execute(page, "BasinEscape.ToggleMitigation")
    assert transitions(page) == [ON, ON]  # the first one has the usual choice
    assert page.complaints == []


def test_the_switch_turns_the_selected_node_alone(page):
    load_pair(page)
    mitigated = f"app.graph._nodes.find(n => n.widgets?.some(w => w.name === 'transition' && w.value === '{ON}'))"
    page.evaluate(f"app.canvas.selectNode({mitigated})")
    execute(page, "BasinEscape.ToggleMitigation")
    assert transitions(page) == ["off", "off"]
    execute(page, "BasinEscape.ToggleMitigation")
    assert sorted(transitions(page)) == [ON, "off"]
    assert page.complaints == []


@pytest.mark.parametrize("keys", ["Shift+KeyE", "Alt+Shift+KeyE"])
def test_the_switch_by_its_keys(page, keys):
    """Alt and a letter is a character on macOS."""
    load(page, "testbed_guider")
    page.mouse.click(400, 800)
    page.keyboard.press(keys)
    assert transitions(page) == ["off"]
    assert page.complaints == []


def test_the_badge_is_a_button(page):
    load_pair(page)
    places = page.evaluate(PLACES)
    badge = page.locator(".basin-escape-badge[data-state='on']")
    assert badge.get_attribute("title") and badge.evaluate("badge => getComputedStyle(badge).cursor") == "pointer"
    badge.click()
    assert transitions(page) == ["off", "off"] and badges(page) == ["off", "off"]
    second = page.locator(".basin-escape-badge").nth(1)
    for key in ("Enter", "Space"):
        second.focus()
        page.keyboard.press(key)
    assert sorted(transitions(page)) == ["off", "off"]
    page.keyboard.press("Enter")
    assert sorted(transitions(page)) == [ON, "off"]  # the other node is left alone
    assert page.evaluate(PLACES) == places
    assert page.complaints == []


def test_the_menu_of_a_node_has_the_switch(page):
    load(page, "testbed_guider")
    page.wait_for_timeout(800)
    x, y = page.evaluate(
        """id => {
            const { pos } = app.graph.getNodeById(id), { offset, scale } = app.canvas.ds;
            return [(pos[0] + offset[0]) * scale + 60, (pos[1] + offset[1]) * scale - 12];
        }""",
        GUIDER,
    )
    page.mouse.click(x, y, button="right")
    assert page.get_by_text("Basin Escape: queue with and without").first.is_visible()
    page.get_by_text("Basin Escape: toggle mitigation").first.click()
    assert transitions(page) == ["off"]
    assert page.complaints == []


SEED = """seed => app.graph._nodes.flatMap(node => node.widgets ?? [])
    .filter(widget => widget.name === "noise_seed").forEach(widget => { widget.value = seed; })"""
ADD_SAVE = """() => {
    const preview = app.graph._nodes.find(node => node.type === "PreviewImage");
    const link = app.graph.getLink?.(preview.inputs[0].link) ?? app.graph.links.get(preview.inputs[0].link);
    const save = LiteGraph.createNode("SaveImage");
    app.graph.add(save);
    app.graph.getNodeById(link.origin_id).connect(link.origin_slot, save, 0);
    return save.id;
}"""


def queue_both(page, server, prompts=2):
    """What the command queues, in its order."""
    before = set(server.get("/history"))
    execute(page, "BasinEscape.QueueBoth")
    server.until(lambda: len(set(server.get("/history")) - before) >= prompts, seconds=120)
    new = [entry["prompt"] for key, entry in server.get("/history").items() if key not in before]
    return sorted(new, key=lambda prompt: prompt[0])


@pytest.mark.parametrize("control", ["fixed", "randomize"])
def test_queue_with_and_without_changes_the_transition_alone(page, server, control):
    load(page, "testbed_guider")
    page.evaluate(SEED, next(SEEDS))
    save = str(page.evaluate(ADD_SAVE))
    page.evaluate(
        """control => app.graph._nodes.flatMap(node => node.widgets ?? [])
            .filter(w => w.name === 'control_after_generate').forEach(w => { w.value = control; })""",
        control,
    )
    graph = page.evaluate(SAVED_VALUES)
    first, second = queue_both(page, server)
    assert first[2][str(GUIDER)]["inputs"].pop("transition") == "off"
    assert second[2][str(GUIDER)]["inputs"].pop("transition") == "dynamic"
    for prompt, label in ((first, "without"), (second, "with")):
        for entry in prompt[2].values():
            prefix = entry["inputs"].pop("filename_prefix", f"_{label}")
            assert prefix.endswith(f"_{label}")
        assert any((server.base / "output").glob(f"ComfyUI_{label}_*.png"))
    assert first[2][save] and {key: entry["inputs"] for key, entry in first[2].items()} == {
        key: entry["inputs"] for key, entry in second[2].items()
    }
    assert page.evaluate(SAVED_VALUES) == graph
    # What each picture carries makes it again.
    for prompt, expected in ((first, "off"), (second, "dynamic")):
        (guider,) = [n for n in prompt[3]["extra_pnginfo"]["workflow"]["nodes"] if n["id"] == GUIDER]
        assert expected in guider["widgets_values"]
    page.wait_for_function(
        "document.querySelector('.basin-escape-curve canvas').ariaLabel.startsWith('with: protecting')"
    )
    assert page.complaints == []


def test_where_all_is_off_one_prompt_is_queued(page, server):
    load(page, "testbed_guider")
    choose(page, transition="off")
    page.evaluate(SEED, next(SEEDS))
    before = set(server.get("/history"))
    execute(page, "BasinEscape.QueueBoth")
    assert "all nodes are off: queued once" in page.locator("[role=alert]").first.inner_text()
    server.wait_until_idle()
    (new,) = set(server.get("/history")) - before
    assert server.get("/history")[new]["prompt"][2][str(GUIDER)]["inputs"]["transition"] == "off"
    assert page.complaints == []
