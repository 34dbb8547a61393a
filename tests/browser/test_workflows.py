"""The example workflows in the page: they load whole, become the prompt that the server tests run, and run."""

import pytest
from basin_escape.tests.support.server import ui_to_api
from basin_escape.tools.pack import ROOT

from .conftest import load, queue

WORKFLOWS = sorted((ROOT / "workflows").glob("*.json"))


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_loads_whole(page, server, path):
    workflow = load(page, path.stem)
    known = page.evaluate("Object.keys(LiteGraph.registered_node_types)")
    assert {node["type"] for node in workflow["nodes"]} <= set(known)
    prompt = page.evaluate("async () => (await app.graphToPrompt()).output")
    info = server.get("/object_info")
    page_prompt = {}
    for key, entry in prompt.items():
        groups = info[entry["class_type"]]["input"]
        # The page of ComfyUI 0.3.64 adds a widget of its own to Preview as Text.
        known = {name for group in ("required", "optional") for name in groups.get(group, {})}
        inputs = {name: value for name, value in entry["inputs"].items() if name in known}
        page_prompt[key] = {"class_type": entry["class_type"], "inputs": inputs}
    assert page_prompt == ui_to_api(workflow, info)
    assert page.complaints == []


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_saving_keeps_every_value(page, path):
    workflow = load(page, path.stem)
    saved = page.evaluate("app.graph.serialize()")
    values = {node["id"]: node.get("widgets_values", []) for node in saved["nodes"]}
    assert values == {node["id"]: node["widgets_values"] for node in workflow["nodes"]}


@pytest.mark.parametrize("path", [path for path in WORKFLOWS if "testbed" in path.stem], ids=lambda path: path.stem)
def test_a_testbed_workflow_runs_from_the_page(page, server, path):
    load(page, path.stem)
    entry = queue(page, server)
    assert entry["status"]["status_str"] == "success" and entry["outputs"]
    assert page.complaints == []
