"""From a workflow to what is queued."""

import copy
import json

import pytest
from basin_escape.audit.ours import CURVE, MAP, MAP_SCORE, MITIGATED, PLAIN, Options, build
from basin_escape.audit.workflow import load_workflow
from basin_escape.tests.support.fake_comfyui import WORKFLOW


def changed(**nodes):
    """The workflow with other inputs of some nodes ("n3": that of node 3), or other nodes."""
    graph = copy.deepcopy(WORKFLOW)
    for key, node in nodes.items():
        graph[key.removeprefix("n")] = node
    return graph


def classes(graph, kind):
    return sorted(key for key, node in graph.items() if node["class_type"] == kind)


def loaded(tmp_path, graph):
    path = tmp_path / "w.json"
    path.write_text(graph if isinstance(graph, str) else json.dumps(graph), encoding="utf-8")
    return load_workflow(path)


def behind(graph, key):
    """All nodes that a node needs, itself too."""
    links = [value[0] for value in graph[key]["inputs"].values() if isinstance(value, list)]
    return {key}.union(*(behind(graph, link) for link in links))


def test_the_plain_and_the_mitigated_picture_differ_by_the_switch_alone():
    graph = build(WORKFLOW, Options()).first
    plain, mitigated = (behind(graph, key) for key in (PLAIN, MITIGATED))
    assert plain & mitigated == {"4", "5", "6", "7"}
    switches = {graph[key]["inputs"]["transition"] for key in classes(graph, "BasinEscapeForModel")}
    assert switches == {"off", "for this model"}
    off, on = (next(iter(keys & set(classes(graph, "BasinEscapeForModel")))) for keys in (plain, mitigated))
    assert graph[off]["inputs"] == {"model": ["4", 0], "transition": "off"}
    assert graph[on]["inputs"] == {"model": ["4", 0], "transition": "for this model"}
    samplers = [graph[key]["inputs"] for key in classes(graph, "KSampler")]
    assert len(samplers) == 2 and all(
        {**s, "model": None} == {**WORKFLOW["3"]["inputs"], "model": None} for s in samplers
    )


def test_what_nothing_needs_is_left_out():
    graphs = build(WORKFLOW, Options())
    assert not classes(graphs.first, "SaveImage")
    assert set(graphs.ordinary) == {"4", "5", "6", "7", "audit_detect_0", "audit_score_0"}
    assert set(graphs.first) - set(graphs.other) == {CURVE}


def test_the_detector_looks_at_the_sampler_s_start():
    inputs = build(WORKFLOW, Options(("guidance norm", "anisotropy"))).ordinary["audit_detect_1"]["inputs"]
    sampler = WORKFLOW["3"]["inputs"]
    shared = ("model", "positive", "negative", "latent_image", "scheduler", "cfg", "seed")
    assert all(inputs[name] == sampler[name] for name in shared)
    assert inputs["score_by"] == "anisotropy" and inputs["n_seeds"] == 1


def test_without_mitigation_there_is_no_second_picture():
    assert MITIGATED not in build(WORKFLOW, Options(mitigate=False)).first


def test_nodes_of_ours_in_the_workflow_are_what_is_switched():
    patch = {"class_type": "BasinEscapeModelPatch", "inputs": {"model": ["4", 0], "transition": "never"}}
    sampler = {"class_type": "KSampler", "inputs": {**WORKFLOW["3"]["inputs"], "model": ["20", 0]}}
    graph = build(changed(n20=patch, n3=sampler), Options()).first
    assert not classes(graph, "BasinEscapeForModel")
    assert graph[MITIGATED]["inputs"]["images"] == ["8", 0]
    assert graph["20"]["inputs"]["transition"] == "never"
    assert graph["20_audit_off"]["inputs"]["transition"] == "off"
    assert "20_audit_off" in behind(graph, PLAIN) and "20" not in behind(graph, PLAIN)
    assert graph[CURVE]["inputs"]["trace"] == ["20_audit_off", 1]


def test_a_guider_has_its_latent_at_the_sampler_behind_it():
    keys = ("model", "positive", "negative", "cfg")
    guider = {"class_type": "CFGGuider", "inputs": {key: WORKFLOW["3"]["inputs"][key] for key in keys}}
    noise = {"class_type": "RandomNoise", "inputs": {"noise_seed": "%seed%"}}
    custom = {"noise": ["21", 0], "guider": ["20", 0], "sampler": ["22", 0], "latent_image": ["5", 0]}
    graph = changed(n20=guider, n21=noise, n3={"class_type": "SamplerCustomAdvanced", "inputs": custom})
    graph["22"] = {"class_type": "KSamplerSelect", "inputs": {"sampler_name": "euler"}}
    first = build(graph, Options()).first
    assert first["audit_detect_0"]["inputs"]["latent_image"] == ["5", 0]
    assert first["audit_detect_0"]["inputs"]["scheduler"] == "normal"
    assert len(classes(first, "CFGGuider")) == len(classes(first, "SamplerCustomAdvanced")) == 2


def test_two_samplers_are_both_mitigated_and_the_first_is_looked_at():
    second = {**WORKFLOW["3"]["inputs"], "latent_image": ["3", 0]}
    decode = {"class_type": "VAEDecode", "inputs": {"samples": ["30", 0], "vae": ["4", 2]}}
    graph = build(changed(n30={"class_type": "KSampler", "inputs": second}, n8=decode), Options()).first
    assert len(classes(graph, "BasinEscapeForModel")) == 4
    assert graph["audit_detect_0"]["inputs"]["latent_image"] == ["5", 0]
    assert graph["audit_mapped"]["inputs"]["samples"] == ["30_audit_off", 0]
    assert graph["30_audit_off"]["inputs"]["latent_image"] == ["3_audit_off", 0]


def test_without_guidance_only_the_pictures_are_compared():
    basic = {"class_type": "KSampler", "inputs": {**WORKFLOW["3"]["inputs"], "negative": None}}
    graphs = build(changed(n3=basic), Options())
    assert graphs.ordinary == {} and graphs.first == graphs.other
    assert PLAIN in graphs.first and not {MITIGATED, MAP, MAP_SCORE} & set(graphs.first)


def test_the_seed_is_filled_into_the_node_that_says_so(tmp_path):
    sampler = {
        "class_type": "KSampler",
        "inputs": {**WORKFLOW["3"]["inputs"], "seed": 5},
        "_meta": {"title": "my %seed%"},
    }
    assert loaded(tmp_path, changed(n3=sampler))["3"]["inputs"]["seed"] == "%seed%"


SAVE = WORKFLOW["9"]
FIXED_SEED = {"class_type": "KSampler", "inputs": {**WORKFLOW["3"]["inputs"], "seed": 5}}
FIXED_TEXT = {"class_type": "CLIPTextEncode", "inputs": {"text": "a house", "clip": ["4", 1]}}


@pytest.mark.parametrize(
    ("graph", "said"),
    [
        ("no json", "cannot be read as a workflow"),
        ("[" * 100_000, "cannot be read as a workflow"),
        ("[]", "is no workflow in API format"),
        ('{"1": {"class_type": "A"}}', "is no workflow in API format"),
        ('{"nodes": [], "links": []}', "as the page saves it"),
        (changed(n6=FIXED_TEXT), "no slot for the prompt"),
        (changed(n3=FIXED_SEED), "no slot for the seed"),
    ],
)
def test_what_is_wrong_with_a_workflow_is_said(tmp_path, graph, said):
    with pytest.raises(ValueError, match=said):
        loaded(tmp_path, graph)


@pytest.mark.parametrize(
    ("graph", "said"),
    [
        (changed(n10=SAVE), "2 nodes that are Save Image, Preview Image or the like: put %picture% into"),
        ({key: node for key, node in WORKFLOW.items() if key != "9"}, "0 nodes that are Save Image"),
        ({key: node for key, node in WORKFLOW.items() if key != "5"}, "a link to node 5, which is not in it"),
    ],
)
def test_what_cannot_be_told_of_a_workflow_is_asked_for(graph, said):
    with pytest.raises(ValueError, match=said):
        build(graph, Options())


def test_a_title_tells_which_picture():
    graph = changed(n10={**SAVE, "_meta": {"title": "%picture%"}, "inputs": {**SAVE["inputs"], "images": ["8", 0]}})
    assert PLAIN in build(graph, Options()).first
