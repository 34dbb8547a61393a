"""A curve belongs to its workflow and node, and survives what makes the node anew."""

import json

import pytest

from .conftest import SEEDS, load, run_anew

pytestmark = pytest.mark.usefixtures("current_renderer")

CURVES = "[...document.querySelectorAll('.basin-escape-curve canvas')]"
READY = "() => Boolean(window.app?.vueAppReady && app.graph?._nodes.length && app.extensionManager)"
SET = """([name, value]) => app.graph._nodes.flatMap(node => node.widgets ?? [])
    .filter(widget => widget.name === name).forEach(widget => { widget.value = value; })"""
LONG = 600  # steps


def steps_become(page, steps, seconds=60):
    page.wait_for_function(
        f"steps => {CURVES}.some(canvas => canvas.dataset.steps === String(steps))", arg=steps, timeout=1000 * seconds
    )


def shown(page):
    return page.evaluate(f"{CURVES}.map(canvas => [Number(canvas.dataset.steps), canvas.ariaLabel])")


def tab(page, which):
    page.evaluate(f"app.extensionManager.command.execute('Workspace.{which}OpenedWorkflow')")
    page.wait_for_timeout(1500)


def begin_long_run(page):
    page.evaluate(SET, ["noise_seed", next(SEEDS)])
    page.evaluate(SET, ["steps", LONG])
    page.evaluate("app.queuePrompt(0, 1)")
    page.wait_for_function(f"{CURVES}.some(canvas => Number(canvas.dataset.steps) > 20)", timeout=60_000)


def interrupt(page, server):
    page.evaluate("fetch('/interrupt', { method: 'POST' })")
    server.wait_until_idle()


def states(page):
    """What is kept for a reload, by workflow and node."""
    return json.loads(page.evaluate("sessionStorage.getItem('BasinEscape.curves')"))["states"]


def test_another_tab_does_not_show_it_and_its_own_does_again(page, server):
    load(page, "testbed_guider")
    run_anew(page, server)
    steps_become(page, 50)
    before = shown(page)
    load(page, "testbed_guider")  # the same graph, the same ids
    page.wait_for_timeout(1500)
    assert shown(page) == [[0, ""]]
    tab(page, "Previous")
    assert shown(page) == before
    assert page.complaints == []


def test_a_run_goes_on_in_its_own_tab(page, server):
    load(page, "testbed_guider")
    begin_long_run(page)
    load(page, "testbed_guider")
    page.wait_for_timeout(3000)
    assert shown(page) == [[0, ""]]
    tab(page, "Previous")
    (reached, _), *_ = shown(page)
    assert reached > 20
    page.wait_for_function(f"reached => Number({CURVES}[0].dataset.steps) > reached", arg=reached, timeout=20_000)
    interrupt(page, server)
    assert page.complaints == []


def test_undo_gives_it_back(page, server):
    load(page, "testbed_guider")
    run_anew(page, server)
    steps_become(page, 50)
    before = shown(page)
    page.evaluate(
        """() => {
            app.graph.remove(app.graph._nodes.find(node => node.type === "SaveGuidanceTrace"));
            const tracker = app.extensionManager.workflow.activeWorkflow.changeTracker;
            (tracker.captureCanvasState ?? tracker.checkState).call(tracker);
            return tracker.undo();
        }"""
    )
    page.wait_for_function("app.graph._nodes.some(node => node.type === 'SaveGuidanceTrace')")
    page.wait_for_timeout(1000)
    assert shown(page) == before and page.complaints == []


def test_a_reload_gives_it_back(page, server):
    load(page, "testbed_guider")
    run_anew(page, server)
    steps_become(page, 50)
    before = shown(page)
    page.wait_for_timeout(2000)  # the page stores its tabs
    page.reload()
    page.wait_for_function(READY)
    steps_become(page, 50)
    assert shown(page) == before


def test_a_reload_in_the_middle_of_a_run_has_all_of_it(page, server):
    load(page, "testbed_guider")
    page.wait_for_timeout(2000)
    begin_long_run(page)
    page.reload()
    page.wait_for_function(READY)
    page.wait_for_function(f"{CURVES}.some(canvas => Number(canvas.dataset.steps) > 20)", timeout=20_000)
    interrupt(page, server)


def test_an_interrupted_run_says_so_and_is_not_compared_with(page, server):
    load(page, "testbed_guider")
    run_anew(page, server)
    steps_become(page, 50)
    begin_long_run(page)
    interrupt(page, server)
    page.wait_for_function(f"{CURVES}[0].ariaLabel.includes('interrupted')", timeout=10_000)
    assert "held back" not in shown(page)[0][1]
    page.evaluate(SET, ["steps", 40])
    run_anew(page, server)
    steps_become(page, 40)
    ((_, state),) = states(page)
    assert len(state["previous"]["timesteps"]) == 50 and not state["previous"]["interrupted"]
    assert page.complaints == []
