"""Many prompts: cached parts, a mixed queue of two clients, an interrupted run."""

import json
import random

import numpy as np
import pytest
from basin_escape.tests.support.saved import read_trace

from .conftest import as_testbed, load, node, pictures, run

STEPS = 10


def quick(name, server, **changes):
    """A workflow with few steps; `changes` go to whichever of its nodes have such a widget."""
    prompt = load(name, server)
    if name == "sd15_drop_in":
        prompt = as_testbed(prompt)
    changes = {"steps": STEPS, **changes}
    for entry in prompt.values():
        own = {widget: value for widget, value in changes.items() if widget in entry["inputs"]}
        entry["inputs"].update(own)
    return prompt


def executed(messages):
    return {event["data"]["node"] for event in messages if event["type"] == "executing"} - {None}


def test_a_new_seed_runs_the_sampler_and_what_follows_it(server):
    run(server, quick("sd15_drop_in", server, seed=21))
    prompt = quick("sd15_drop_in", server, seed=22)
    messages, _, _ = run(server, prompt)
    follows = ("BasinEscapeKSampler", "VAEDecode", "SaveImageWithGuidance", "GuidanceNormPlot")
    assert executed(messages) == {node(prompt, kind) for kind in follows}


def test_a_plot_setting_draws_again_and_samples_nothing(server):
    prompt = quick("testbed_guider", server, noise_seed=23)
    _, _, before = run(server, prompt)
    plot = node(prompt, "GuidanceNormPlot")
    prompt[plot]["inputs"]["x_axis"] = "sigma"
    messages, _, after = run(server, prompt)
    assert executed(messages) == {plot}
    assert not np.array_equal(pictures(server, before[plot]), pictures(server, after[plot]))


def test_a_cached_plot_shows_its_picture_again(server):
    """So that a page that was loaded anew has it after the same prompt."""
    prompt = quick("testbed_guider", server, noise_seed=25)
    plot = node(prompt, "GuidanceNormPlot")
    _, _, before = run(server, prompt)
    messages, _, after = run(server, prompt)
    assert executed(messages) == set() and after[plot] == before[plot]


def saved_trace(server, output):
    (file,) = output["text"]
    return read_trace(server.base / "output" / file)


def test_a_cached_guider_adds_every_run_to_its_trace(server):
    """The guider node is not executed again for a new seed: its trace goes on, newest run last."""
    prompt = quick("testbed_guider", server, noise_seed=24, cfg=7.25)
    save = node(prompt, "SaveGuidanceTrace")
    _, _, outputs = run(server, prompt)
    (first,) = saved_trace(server, outputs[save]).runs
    prompt[node(prompt, "RandomNoise")]["inputs"]["noise_seed"] = 25
    _, _, outputs = run(server, prompt)
    runs = saved_trace(server, outputs[save]).runs
    assert len(runs) == 2
    assert np.array_equal(runs[0].quantity("guidance_norm"), first.quantity("guidance_norm"))
    assert not np.array_equal(runs[1].quantity("guidance_norm"), first.quantity("guidance_norm"))


# Ten prompts that have in common what a cache could mix up: models, prompts, seeds, patches with other settings.
MIXED = [
    ("testbed_model_patch", {"seed": 31}),
    ("testbed_model_patch", {"seed": 31, "transition": "static"}),
    ("testbed_model_patch", {"seed": 32, "before_transition": "opposite guidance"}),
    ("testbed_model_patch", {"seed": 31, "variant": "flow", "width": 128, "height": 128}),
    ("testbed_guider", {"noise_seed": 31}),
    ("testbed_guider", {"noise_seed": 32, "skip_unused_pass": True, "transition": "static"}),
    ("testbed_guider", {"noise_seed": 31, "sampler_name": "dpmpp_2m_sde"}),
    ("sd15_drop_in", {"seed": 31}),
    ("sd15_drop_in", {"seed": 31, "transition": "off"}),
    ("sd15_drop_in", {"seed": 32, "sampler_name": "heun", "batch_size": 3}),
]


def shown(server, outputs):
    """All pictures of a prompt, by node: photographs and curves."""
    return {key: pictures(server, output) for key, output in outputs.items() if "images" in output}


def test_fifty_mixed_prompts_of_two_clients_give_what_each_gives_alone(server):
    prompts = [quick(name, server, **changes) for name, changes in MIXED]
    alone = []
    for prompt in prompts:
        server.post("/free", {"unload_models": True, "free_memory": True})
        alone.append(shown(server, run(server, prompt)[2]))
    order = [index for index in range(len(prompts)) for _ in range(5)]
    random.Random(0).shuffle(order)
    queued = [
        server.post("/prompt", {"prompt": prompts[index], "client_id": f"client-{place % 2}"})["prompt_id"]
        for place, index in enumerate(order)
    ]
    for prompt_id, index in zip(queued, order, strict=True):
        entry = server.wait(prompt_id)
        assert entry["status"]["status_str"] == "success", json.dumps(entry["status"])
        together = shown(server, entry["outputs"])
        assert together.keys() == alone[index].keys()
        for key, images in together.items():
            assert np.array_equal(images, alone[index][key]), (MIXED[index], key)


def test_an_interrupted_run_leaves_the_next_one_untouched(server):
    prompt = as_testbed(load("sd15_drop_in", server))
    sampler = prompt[node(prompt, "BasinEscapeKSampler")]["inputs"]
    sampler.update(seed=5)
    _, _, outputs = run(server, prompt)
    expected = pictures(server, outputs[node(prompt, "SaveImageWithGuidance")])

    def interrupt(event):
        if event["type"] == "progress" and event["data"]["value"] == 10:
            server.post("/interrupt", {})

    sampler.update(seed=6, steps=500)
    messages, _ = server.run(prompt, interrupt)
    assert messages[-1]["type"] == "execution_interrupted"
    sampler.update(seed=5, steps=50)
    prompt[node(prompt, "SaveImageWithGuidance")]["inputs"]["filename_prefix"] = "again"
    _, _, outputs = run(server, prompt)
    assert np.array_equal(pictures(server, outputs[node(prompt, "SaveImageWithGuidance")]), expected)


@pytest.mark.parametrize(
    ("prefix", "name"),
    [
        ("numbered/", "numbered/trace"),
        ("", "trace"),
        ("numbered/a-%date:yyyy%-%BasicScheduler.steps%", "numbered/a-20"),
    ],
)
def test_a_second_trace_has_the_next_number(server, prefix, name):
    numbers = []
    for seed in (61, 62):
        prompt = quick("testbed_guider", server, noise_seed=seed)
        save = node(prompt, "SaveGuidanceTrace")
        prompt[save]["inputs"]["filename_prefix"] = prefix
        _, _, outputs = run(server, prompt)
        (file,) = outputs[save]["text"]
        assert len(saved_trace(server, outputs[save]).runs) >= 1
        stem, number, _ = file.replace("\\", "/").rsplit("_", 2)
        assert stem.startswith(name) and "%" not in file and stem.endswith(str(STEPS) if "%" in prefix else "trace")
        numbers.append(int(number))
    assert numbers[1] == numbers[0] + 1


def test_a_plot_shows_the_run_of_its_latent_whatever_else_the_patch_has_seen(server):
    """Two samplers behind one patch, two plots of its one trace; then one of them is drawn anew."""

    def prompt_of(seeds, x_axis="timestep"):
        prompt, other = quick("testbed_model_patch", server), quick("testbed_guider", server)
        patch = node(prompt, "BasinEscapeModelPatch")
        plot = {**other[node(other, "GuidanceNormPlot")]["inputs"], "trace": [patch, 1]}
        sampler = next(key for key, entry in prompt.items() if entry["inputs"].get("model") == [patch, 0])
        kept = {key: entry for key, entry in prompt.items() if entry["class_type"] not in ("PreviewImage", "VAEDecode")}
        for number, seed in enumerate(seeds):
            kept[f"8{number}"] = {"class_type": "KSampler", "inputs": {**prompt[sampler]["inputs"], "seed": seed}}
            drawn = {**plot, "samples": [f"8{number}", 0], "x_axis": "step" if number else x_axis}
            kept[f"9{number}"] = {"class_type": "GuidanceNormPlot", "inputs": drawn}
        return kept

    alone = {axis: shown(server, run(server, prompt_of([71], axis))[2])["90"] for axis in ("timestep", "sigma")}
    server.post("/free", {"unload_models": True, "free_memory": True})
    together = shown(server, run(server, prompt_of([71, 72]))[2])
    assert np.array_equal(together["90"], alone["timestep"])
    messages, _, outputs = run(server, prompt_of([71, 72], "sigma"))
    assert executed(messages) == {"90"} and np.array_equal(shown(server, outputs)["90"], alone["sigma"])
