"""A page of the running ComfyUI in Debian's Chromium, in either renderer."""

import json
import os
import shutil
import time

import pytest
from pack import ROOT
from playwright.sync_api import sync_playwright

QUIET = ["--no-sandbox", "--disable-gpu", "--disable-sync", "--disable-background-networking"]


@pytest.fixture(scope="session")
def browser():
    chromium = os.environ.get("CHROMIUM", shutil.which("chromium"))
    if chromium is None:
        pytest.fail("No chromium found: install it (apt-get install chromium) or name it in CHROMIUM.")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=QUIET)
        yield browser
        browser.close()


@pytest.fixture(params=[False, True], ids=["canvas", "nodes 2.0"])
def page(request, server, browser):
    """The application once it is up; `complaints` collects page errors, and what the console says of the pack."""
    server.post("/settings/Comfy.VueNodes.Enabled", request.param)
    server.post("/settings/Comfy.TutorialCompleted", True)
    page = browser.new_page(viewport={"width": 1600, "height": 1000})
    page.complaints = []
    page.on("console", lambda message: page.complaints.append(message.text) if is_ours(message) else None)
    page.goto(server.url)
    page.wait_for_function("() => Boolean(window.app?.vueAppReady && app.graph && app.extensionManager)")
    # The frontend of ComfyUI 0.3.64 raises an error of its own while it starts.
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    yield page
    page.close()


def is_ours(message):
    return message.type in ("error", "warning") and "basin" in f"{message.text} {message.location}".lower()


def load(page, name):
    """Open an example workflow."""
    workflow = json.loads((ROOT / "workflows" / f"{name}.json").read_text(encoding="utf-8"))
    page.evaluate("workflow => app.loadGraphData(workflow)", workflow)
    page.wait_for_function("count => app.graph._nodes.length === count", arg=len(workflow["nodes"]))
    return workflow


def queue(page, server):
    """Run what is open, and wait for its end. Returns its entry in the history."""
    before = set(server.get("/history"))
    page.evaluate("app.queuePrompt(0, 1)")
    deadline = time.monotonic() + 120
    while not (new := set(server.get("/history")) - before):
        assert time.monotonic() < deadline, "the prompt did not end"
        time.sleep(0.2)
    return server.get("/history")[new.pop()]
