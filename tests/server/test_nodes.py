"""What the running ComfyUI knows of the nodes, and what it refuses."""

import json

import pytest
from basin_escape.benchmarks.measure import NODES
from basin_escape.tests.support.workflows import FILES
from basin_escape.tools.locales import LOCALES

from .conftest import as_testbed, load, node

SCENARIOS = ["small data set", "class labels", "duplicated items", "trigger words"]
VARIANTS = ["eps", "v", "flow", "learned", "learned noise", "scenes", *SCENARIOS]
# The widgets that design and help pages promise: default, lowest and highest value.
SHARED = {
    "transition": ("never", ["dynamic", "escape", "static", "never", "off"]),
    "before_transition": (
        "orthogonal guidance",
        ["zero guidance", "opposite guidance", "conditional only", "orthogonal guidance"],
    ),
    "opposite_scale": (2.0, 0, 30),
    "repulsion": (0.07, 0, 1),
    "static_percent": (0.5, 0, 1),
    "latest_percent": (0.6, 0, 1),
    "memorization_threshold": (0.0, 0, 1),
}
WIDGETS = {
    "BasinEscapeModelPatch": SHARED,
    "BasinEscapeGuider": {**SHARED, "cfg": (7.5, 0, 100)},
    "BasinEscapeKSampler": {**SHARED, "cfg": (7.5, 0, 100), "steps": (20, 1, 10000), "denoise": (1.0, 0, 1)},
    "GuidanceNormPlot": {"width": (768, 256, 4096), "height": (512, 256, 4096)},
    "TransitionSweep": {
        "before_transition": ("zero guidance", ["zero guidance", "opposite guidance", "conditional only"]),
        "opposite_scale": SHARED["opposite_scale"],
        "points": (8, 2, 64),
        "first_percent": (0.1, 0, 1),
        "last_percent": (0.8, 0, 1),
    },
    "EstimateStaticTransition": {"tolerance": (0.25, 0, 0.9)},
    "DetectMemorization": {"n_seeds": (4, 1, 64), "steps": (1, 1, 50), "threshold": (0.01, 0, 1)},
    "LoadMemorizationTestbed": {"variant": ("eps", VARIANTS)},
}


def inputs(info):
    return {**info["input"].get("required", {}), **info["input"].get("optional", {})}


def test_every_node_is_there_and_documented(server):
    info = server.get("/object_info")
    assert set(NODES) <= set(info)
    for key in NODES:
        assert info[key]["display_name"] and info[key]["description"] and info[key]["category"].startswith("basin")
        assert all(options["tooltip"] for _, options in inputs(info[key]).values())
        assert len(info[key]["output_tooltips"] if info[key]["output"] else []) == len(info[key]["output"])
        assert server.get_bytes(f"/extensions/comfyui-basin-escape/docs/{key}.md").startswith(b"# ")


def test_translations_are_served(server):
    served = server.get("/i18n")
    for path in LOCALES.glob("*/*.json"):
        language, texts = served[path.parent.name], json.loads(path.read_text(encoding="utf-8"))
        assert texts.items() <= (language if path.stem == "main" else language.get(path.stem, {})).items(), path


@pytest.mark.parametrize("key", WIDGETS)
def test_defaults_and_ranges(server, key):
    known = inputs(server.get("/object_info")[key])
    for widget, (default, *limits) in WIDGETS[key].items():
        kind, options = known[widget]
        assert options.get("default", kind[0]) == default
        if isinstance(limits[0], list):
            assert [kind] == limits
        else:
            assert [options["min"], options["max"]] == limits


def bad_values(spec):
    """Values of a widget that nobody can mean."""
    kind, options = spec[0], spec[1] if len(spec) > 1 else {}
    if isinstance(kind, list):
        return ["late"]
    if kind in ("INT", "FLOAT"):
        return [options["min"] - 1, options["max"] + 1, "many"]
    return []


def behind(prompt, key):
    """A node, all that depends on it, and what these need: little of it runs where that node is refused."""
    sources = {name: {v[0] for v in n["inputs"].values() if isinstance(v, list)} for name, n in prompt.items()}
    depend, needed = {key}, set()
    while more := {name for name, of in sources.items() if of & depend} - depend:
        depend |= more
    while more := depend.union(*(sources[name] for name in depend | needed)) - needed:
        needed |= more
    return {name: prompt[name] for name in needed}


@pytest.mark.parametrize("name", FILES)
def test_every_value_out_of_range_is_refused_by_name(server, name):
    info = server.get("/object_info")
    prompt = load(name, server)
    if name == "sd15_drop_in":
        prompt = as_testbed(prompt)
    refused = 0
    for key, entry in prompt.items():
        if entry["class_type"] not in NODES:
            continue
        for widget, spec in inputs(info[entry["class_type"]]).items():
            for value in bad_values(spec) if widget in entry["inputs"] else []:
                changed = {**behind(prompt, key), key: {**entry, "inputs": {**entry["inputs"], widget: value}}}
                answer = server.post("/prompt", {"prompt": changed})
                errors = answer["node_errors"][key]["errors"]
                assert [error["extra_info"]["input_name"] for error in errors] == [widget]
                refused += 1
    assert refused >= 10
    server.wait_until_idle()  # an output that the refused node depends on runs


@pytest.mark.parametrize(
    ("widgets", "named"),
    [
        ({"static_percent": float("nan")}, "static_percent is nan"),
        ({"cfg": float("nan")}, "cfg is nan"),
        ({"latest_percent": 0.0}, "latest_percent is 0 while transition is dynamic"),
    ],
)
def test_what_the_host_lets_through_is_refused_before_anything_is_sampled(server, widgets, named):
    prompt = as_testbed(load("sd15_drop_in", server))
    prompt[node(prompt, "BasinEscapeKSampler")]["inputs"].update(widgets)
    messages, previews = server.run(prompt)
    assert messages[-1]["type"] == "execution_error"
    assert named in messages[-1]["data"]["exception_message"]
    assert previews == 0 and not any(event["type"] == "progress" for event in messages)


def test_a_latent_of_another_size_is_refused_with_the_name_of_its_input(server):
    prompt = as_testbed(load("sd15_drop_in", server))
    prompt[node(prompt, "EmptyLatentImage")]["inputs"].update(width=512)
    messages, _ = server.run(prompt)
    assert messages[-1]["type"] == "execution_error"
    assert "latent_image has the size 3x16x64" in messages[-1]["data"]["exception_message"]


@pytest.mark.parametrize("prefix", ["../trace", "/tmp/trace", "a/../../trace"])
def test_a_trace_is_saved_in_the_output_folder_only(server, prefix):
    prompt = load("testbed_guider", server)
    prompt[node(prompt, "SaveGuidanceTrace")]["inputs"]["filename_prefix"] = prefix
    messages, _ = server.run(prompt)
    assert messages[-1]["type"] == "execution_error"
    assert f"filename_prefix is '{prefix}'" in messages[-1]["data"]["exception_message"]
    assert not list(server.base.glob("trace*"))


def test_a_part_of_a_picture_is_refused_by_the_testbed(server):
    prompt = as_testbed(load("sd15_drop_in", server))
    sampler = prompt[node(prompt, "BasinEscapeKSampler")]["inputs"]
    area = {"conditioning": sampler["positive"], "width": 64, "height": 64, "x": 0, "y": 0, "strength": 1.0}
    prompt["99"] = {"class_type": "ConditioningSetArea", "inputs": area}
    sampler["positive"] = ["99", 0]
    messages, _ = server.run(prompt)
    assert "leave out Conditioning (Set Area)" in messages[-1]["data"]["exception_message"]


def test_what_the_nodes_say_is_json(server):
    """NaN and infinity would make it unreadable for the page."""

    def no_constant(name):
        raise AssertionError(f"{name} is not JSON")

    json.loads(server.get_bytes("/object_info"), parse_constant=no_constant)
