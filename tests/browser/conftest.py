"""A page of the running ComfyUI in Debian's Chromium, in either renderer."""

import itertools
import os
import shutil
from contextlib import contextmanager

import pytest
from basin_escape.tests.support.workflows import read_workflow
from playwright.sync_api import sync_playwright

SEEDS = itertools.count(1000)
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-sync", "--disable-background-networking"]


@contextmanager
def chromium():
    path = os.environ.get("CHROMIUM", shutil.which("chromium"))
    if path is None:
        pytest.fail("No chromium found: install it (apt-get install chromium) or name it in CHROMIUM.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=QUIET)
        yield browser
        browser.close()


def open_application(page, server):
    page.goto(server.url)
    # It opens a workflow of its own at last.
    page.wait_for_function("() => Boolean(window.app?.vueAppReady && app.graph?._nodes.length && app.extensionManager)")


@pytest.fixture(scope="session")
def browser():
    with chromium() as browser:
        yield browser


@pytest.fixture(params=[False, True], ids=["canvas", "nodes 2.0"])
def page(request, server, browser):
    """The application once it is up; `complaints` collects page errors, and what the console says of the pack."""
    server.post("/settings/Comfy.VueNodes.Enabled", request.param)
    server.post("/settings/Comfy.TutorialCompleted", True)
    page = browser.new_page(viewport={"width": 1600, "height": 1000})
    page.complaints = []
    page.on("console", lambda message: page.complaints.append(message.text) if is_ours(message) else None)
    open_application(page, server)
    # The frontend of ComfyUI 0.3.64 raises an error of its own while it starts.
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    yield page
    page.close()


@pytest.fixture
def current_renderer(page):
    """The trial of Nodes 2.0 in ComfyUI 0.3.64 (frontend 1.27) shows every simple widget always, and no other."""
    version = page.evaluate("window.__COMFYUI_FRONTEND_VERSION__ ?? '0'")
    if page.evaluate("Boolean(LiteGraph.vueNodesMode)") and version.startswith("1.27."):
        pytest.skip("this frontend's Nodes 2.0 cannot hide widgets, nor show the curve or a picture")


def is_ours(message):
    return message.type in ("error", "warning") and "basin" in f"{message.text} {message.location}".lower()


def load(page, name):
    """Open an example workflow, as the template gallery does."""
    workflow = read_workflow(name)
    known = page.evaluate("Object.keys(LiteGraph.registered_node_types)")
    if "ImageCompare" not in known and name == "testbed_slider":
        pytest.skip("this ComfyUI has no Compare Images")
    script = "workflow => app.loadGraphData(workflow, true, true, null, { openSource: 'template' })"
    page.evaluate(script, workflow)
    page.wait_for_function("count => app.graph._nodes.length === count", arg=len(workflow["nodes"]))
    return workflow


def load_pair(page):
    """The first example with a second patch, switched off, before the plain sampler."""
    load(page, "testbed_model_patch")
    page.evaluate(
        """() => {
            const node = type => app.graph._nodes.find(node => node.type === type);
            const [loader, plain] = [node("LoadMemorizationTestbed"), node("KSampler")];
            const patch = LiteGraph.createNode("BasinEscapeModelPatch");
            patch.pos = [plain.pos[0], 1000];
            app.graph.add(patch);
            patch.widgets.find(widget => widget.name === "transition").value = "off";
            loader.connect(0, patch, 0);
            patch.connect(0, plain, 0);
        }"""
    )
    page.wait_for_function("document.querySelectorAll('.basin-escape-badge').length === 2")
    page.wait_for_timeout(500)


def queue(page, server):
    """Run what is open, and wait for its end. Returns its entry in the history."""
    before = set(server.get("/history"))
    page.evaluate("app.queuePrompt(0, 1)")
    (new,) = server.until(lambda: set(server.get("/history")) - before, seconds=120)
    return server.get("/history")[new]


def run_anew(page, server):
    """Run what is open with seeds that the server has not seen: a cached sampler has no curve to draw."""
    seeds = "app.graph._nodes.flatMap(node => node.widgets ?? []).filter(widget => /^(noise_)?seed$/.test(widget.name))"
    page.evaluate(f"seed => {seeds}.forEach(widget => {{ widget.value = seed; }})", next(SEEDS))
    return queue(page, server)
