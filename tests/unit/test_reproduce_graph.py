"""Every method's graph, of what the nodes themselves say they take."""

import pytest
from basin_escape.audit.graph import links
from basin_escape.audit.reproduce.methods import METHODS, NOT_RUN, PLAIN, Method, Use
from basin_escape.audit.reproduce.paper import TABLES
from basin_escape.audit.reproduce.sample import folder_name, with_alternatives
from basin_escape.audit.reproduce.wiring import PICTURE, Sampling, build
from basin_escape.nodes import NODE_CLASS_MAPPINGS

SAMPLING = Sampling(
    ("CheckpointLoaderSimple", {"ckpt_name": "x"}), 50, 7.5, "dpmpp_2m", "simple", 512, "a hill\na lake"
)
FINDING = {"MemorizationMap", "BrightEndingMask"}  # copies, in a finished picture


def inputs(class_type):
    return NODE_CLASS_MAPPINGS[class_type].INPUT_TYPES()


def graph_of(name):
    return build(next(method for method in METHODS if method.name == name), SAMPLING, inputs)


def test_every_node_against_copies_is_a_method_or_said_not_to_be():
    folders = ("basin escape/methods", "basin escape/attention")
    wanted = {key for key, node in NODE_CLASS_MAPPINGS.items() if node.CATEGORY in folders} - FINDING
    used = {use.class_type for method in METHODS for use in method.uses} - {"BasinEscapeModelPatch"}
    assert used | set(NOT_RUN) == wanted and not used & set(NOT_RUN)


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.name)
def test_a_graph_has_all_that_its_nodes_require_and_nothing_else(method):
    graph = build(method, SAMPLING, inputs)
    for key, node in graph.items():
        assert all(link[0] in graph for link in links(node).values())
        if key.startswith("method_"):
            described = inputs(node["class_type"])
            assert set(described["required"]) <= set(node["inputs"])
            assert set(node["inputs"]) <= {*described["required"], *described.get("optional", {})}
    assert len([key for key in graph if key.startswith("method_")]) == len(method.uses)


def test_without_a_method_it_is_stock():
    assert {node["class_type"] for node in build(PLAIN, SAMPLING, inputs).values()} == {
        "CheckpointLoaderSimple", "CLIPTextEncode", "RandomNoise", "CFGGuider", "KSamplerSelect", "BasicScheduler",
        "EmptyLatentImage", "SamplerCustomAdvanced", "VAEDecode", "PreviewImage",
    }  # fmt: skip


def test_the_settings_are_the_papers():
    graph = graph_of("opposite 7.5, dynamic")
    rule = graph["method_0"]["inputs"]
    assert (rule["transition"], rule["before_transition"], rule["opposite_scale"]) == (
        "dynamic",
        "opposite guidance",
        7.5,
    )
    assert (rule["latest_percent"], rule["memorization_threshold"]) == (1.0, 0.0)
    assert graph["guider"]["inputs"] == {
        "model": ["method_0", 0], "positive": ["positive", 0], "negative": ["negative", 0], "cfg": 7.5,
    }  # fmt: skip
    assert graph["latent_image"]["inputs"] == {"width": 512, "height": 512, "batch_size": 1}
    assert graph["sigmas"]["inputs"]["steps"] == 50 and graph["negative"]["inputs"]["text"] == ""


def test_what_a_node_makes_takes_the_place_of_what_it_was_made_from():
    graph = graph_of("random words")
    assert graph["method_0"]["inputs"]["text"] == "%prompt%" and graph["positive"]["inputs"]["text"] == ["method_0", 0]
    graph = graph_of("noise on the prompt")
    assert graph["method_0"]["inputs"]["conditioning"] == ["positive", 0]
    assert graph["guider"]["inputs"]["positive"] == ["method_0", 0]
    graph = graph_of("start noise (Han)")
    assert graph["run"]["inputs"]["noise"] == ["method_0", 0] and graph["guider"]["inputs"]["model"] == ["method_1", 0]
    graph = graph_of("GUARD (Zhao)")
    assert graph["run"]["inputs"]["guider"] == ["method_0", 0] and "guider" not in graph
    graph = graph_of("held norms (Huang)")
    assert (
        graph["method_0"]["inputs"]["ordinary_prompts"] == "a hill\na lake" and graph["method_0"]["inputs"]["seed"] == 0
    )
    assert graph["method_1"]["inputs"]["norms"] == ["method_0", 0]


def test_alternatives_go_where_their_slot_is():
    graph = with_alternatives(graph_of("re-anchored (PRSS)"), "a\nb")
    assert graph["method_0"]["inputs"]["alternatives"] == "a\nb"
    assert with_alternatives(graph_of("none"), "a\nb") == graph_of("none")


def test_an_entry_that_does_not_fit_its_node_is_named():
    with pytest.raises(ValueError, match="BasinEscapeModelPatch has no input strength"):
        build(Method("x", (Use("BasinEscapeModelPatch", {"model": 0}, {"strength": 1}),)), SAMPLING, inputs)
    with pytest.raises(ValueError, match="MemorizationMap needs samples"):
        build(Method("x", (Use("MemorizationMap", {"model": 0}),)), SAMPLING, inputs)


def test_methods_are_told_apart_and_their_rows_are_in_the_paper():
    assert len({folder_name(method.name) for method in METHODS}) == len(METHODS)
    rows = [method.paper for method in METHODS if method.paper]
    assert len(rows) == len(set(rows)) and all(set(rows) <= set(table) for table in TABLES.values())
    assert PICTURE in graph_of("none")
