"""The example workflows in the page: they load whole, become the prompt that the server tests run, and run."""

import json
import time

import pytest
from comfyui_server import ui_to_api
from pack import ROOT

WORKFLOWS = sorted((ROOT / "workflows").glob("*.json"))


def load(page, path):
    workflow = json.loads(path.read_text(encoding="utf-8"))
    page.evaluate("workflow => app.loadGraphData(workflow)", workflow)
    page.wait_for_function("count => app.graph._nodes.length === count", arg=len(workflow["nodes"]))
    return workflow


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_loads_whole(page, server, path):
    workflow = load(page, path)
    known = page.evaluate("Object.keys(LiteGraph.registered_node_types)")
    assert {node["type"] for node in workflow["nodes"]} <= set(known)
    prompt = page.evaluate("async () => (await app.graphToPrompt()).output")
    page_prompt = {key: {"class_type": entry["class_type"], "inputs": entry["inputs"]} for key, entry in prompt.items()}
    assert page_prompt == ui_to_api(workflow, server.get("/object_info"))
    assert page.complaints == []


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_saving_keeps_every_value(page, path):
    workflow = load(page, path)
    saved = page.evaluate("app.graph.serialize()")
    values = {node["id"]: node.get("widgets_values", []) for node in saved["nodes"]}
    assert values == {node["id"]: node["widgets_values"] for node in workflow["nodes"]}


@pytest.mark.parametrize("path", [path for path in WORKFLOWS if "testbed" in path.stem], ids=lambda path: path.stem)
def test_a_testbed_workflow_runs_from_the_page(page, server, path):
    load(page, path)
    before = set(server.get("/history"))
    page.evaluate("app.queuePrompt(0, 1)")
    deadline = time.monotonic() + 120
    while not (new := set(server.get("/history")) - before):
        assert time.monotonic() < deadline, "the prompt did not end"
        time.sleep(0.2)
    (entry,) = (server.get("/history")[key] for key in new)
    assert entry["status"]["status_str"] == "success" and entry["outputs"]
    assert page.complaints == []
