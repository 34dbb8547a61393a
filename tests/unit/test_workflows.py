"""What the example workflows hold of this pack: values for its widgets, in their order, and runs that can be found."""

import pytest
from basin_escape.benchmarks.measure import NODES
from basin_escape.samplers.settings import NEVER, ORTHOGONAL, ZERO
from basin_escape.tests.support.workflows import FILES, read_workflow

WIDGETS = ("INT", "FLOAT", "STRING", "BOOLEAN")
GO_ON = ("BasinEscapeModelPatch", "BasinEscapeGuider")  # their trace has the runs of every sampler behind them


def values(node):
    """(value, kind, options) of every widget of a node by name."""
    groups = NODES[node["type"]].INPUT_TYPES()
    given, named = iter(node["widgets_values"]), {}
    for name, (kind, options) in {**groups["required"], **groups.get("optional", {})}.items():
        if (isinstance(kind, list) or kind in WIDGETS) and not options.get("forceInput"):
            named[name] = next(given), kind, options
            if options.get("control_after_generate"):
                assert next(given) in ("fixed", "randomize", "increment", "decrement")
    assert next(given, None) is None, f"{node['type']} has more values than widgets"
    return named


@pytest.mark.parametrize("name", FILES)
def test_every_value_is_one_of_its_widget(name):
    for node in read_workflow(name)["nodes"]:
        for name, (value, kind, options) in values(node).items() if node["type"] in NODES else ():
            if isinstance(kind, list):
                assert value in kind, name
            elif kind in ("INT", "FLOAT"):
                assert not isinstance(value, bool) and options["min"] <= value <= options["max"], name
            else:
                assert isinstance(value, bool if kind == "BOOLEAN" else str), name


@pytest.mark.parametrize("name", FILES)
def test_what_reads_a_trace_that_goes_on_is_told_which_run(name):
    workflow = read_workflow(name)
    types = {node["id"]: node["type"] for node in workflow["nodes"]}
    origins = {link[0]: types[link[1]] for link in workflow["links"]}
    for node in workflow["nodes"]:
        links = {slot["name"]: slot["link"] for slot in node["inputs"]}
        if "trace" in links and origins[links["trace"]] in GO_ON:
            assert links["samples"] is not None, node["type"]


def test_the_first_one_shows_orthogonal_guidance_and_the_estimate_runs_without_guidance():
    for name, before in (("testbed_model_patch", ORTHOGONAL), ("testbed_static_point", ZERO)):
        nodes = read_workflow(name)["nodes"]
        (patch,) = [node for node in nodes if node["type"] == "BasinEscapeModelPatch"]
        assert patch["widgets_values"][:2] == [NEVER, before]
