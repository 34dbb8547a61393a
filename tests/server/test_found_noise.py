"""The nodes that search for a start noise by gradients, where every node runs in inference mode."""

import psutil
import pytest

from .conftest import pictures, run

SEARCHES = {
    "AdjustInitialNoisePerSample": {
        "target": 0.0,
        "learning_rate": 0.01,
        "max_iterations": 5,
        "keep_length": False,
    },
    "SharpnessAwareInitialNoise": {
        "threshold": 0.0,
        "alpha": 0.05,
        "step": 0.0078,
        "learning_rate": 0.05,
        "max_iterations": 2,
        "candidates": 2,
    },
}
EVALUATIONS = {"AdjustInitialNoisePerSample": 6, "SharpnessAwareInitialNoise": 6}  # of an image
INTERRUPTED = 20
LEAK = 50  # MB: a graph of the network holds some 7, and fifteen more are cut off


def graph(key, seed=1, variant="learned", batch=2, **widgets):
    """Four steps of SamplerCustomAdvanced from a noise that the node `key` finds, and the node's report."""
    prompts = {"positive": ["text", 0], "negative": ["empty", 0]}
    return {
        "testbed": {"class_type": "LoadMemorizationTestbed", "inputs": {"variant": variant}},
        "text": {"class_type": "CLIPTextEncode", "inputs": {"clip": ["testbed", 1], "text": "aurora red circle"}},
        "empty": {"class_type": "CLIPTextEncode", "inputs": {"clip": ["testbed", 1], "text": ""}},
        "latent": {"class_type": "EmptyLatentImage", "inputs": {"width": 128, "height": 128, "batch_size": batch}},
        "random": {"class_type": "RandomNoise", "inputs": {"noise_seed": seed}},
        "sigmas": {
            "class_type": "BasicScheduler",
            "inputs": {"model": ["testbed", 0], "scheduler": "normal", "steps": 4, "denoise": 1.0},
        },
        "found": {
            "class_type": key,
            "inputs": {
                "model": ["testbed", 0],
                **prompts,
                "noise": ["random", 0],
                "sigmas": ["sigmas", 0],
                "latent_image": ["latent", 0],
                **SEARCHES[key],
                **widgets,
            },
        },
        "report": {"class_type": "PreviewAny", "inputs": {"source": ["found", 1]}},
        "guider": {"class_type": "CFGGuider", "inputs": {"model": ["testbed", 0], **prompts, "cfg": 7.5}},
        "euler": {"class_type": "KSamplerSelect", "inputs": {"sampler_name": "euler"}},
        "sampled": {
            "class_type": "SamplerCustomAdvanced",
            "inputs": {
                "noise": ["found", 0],
                "guider": ["guider", 0],
                "sampler": ["euler", 0],
                "sigmas": ["sigmas", 0],
                "latent_image": ["latent", 0],
            },
        },
        "decoded": {"class_type": "VAEDecode", "inputs": {"samples": ["sampled", 0], "vae": ["testbed", 2]}},
        "picture": {"class_type": "PreviewImage", "inputs": {"images": ["decoded", 0]}},
    }


def texts(messages):
    return [event["data"]["text"] for event in messages if event["type"] == "text"]


@pytest.mark.parametrize("variant", ["eps", "learned"])
@pytest.mark.parametrize("key", SEARCHES)
def test_it_searches_and_tells_the_norm_and_the_cost(server, key, variant):
    messages, _, outputs = run(server, graph(key, variant=variant))
    *progress, report = texts(messages)
    assert len(progress) == 2 * EVALUATIONS[key] and progress[0].startswith("image 1 of 2, ")
    assert report.startswith("image 1: ") and "\ncost: " in report and "with a backward pass" in report
    assert pictures(server, outputs["picture"]).shape == (2, 128, 128, 3)


@pytest.mark.parametrize("key", SEARCHES)
def test_it_runs_once_for_pictures_at_several_scales(server, key):
    prompt = graph(key, seed=2)
    assert texts(run(server, prompt)[0])
    prompt["guider"]["inputs"]["cfg"] = 3.0
    assert texts(run(server, prompt)[0]) == []


def interrupt(server, prompt_of):
    """Run the prompt of one seed after another, each cancelled within one evaluation, wherever that is.

    After the first five the server holds no more memory.
    """
    process, held = psutil.Process(server.process.pid), []
    for number in range(INTERRUPTED):
        seen = []

        def cancel(event, seen=seen, wanted=1 + number % 5):
            if event["type"] == "progress":
                seen.append(event)
                if len(seen) == wanted:
                    server.post("/interrupt", {})

        messages, _ = server.run(prompt_of(100 + number), cancel)
        assert messages[-1]["type"] == "execution_interrupted", messages[-1]
        held.append(process.memory_info().rss / 1e6)
    assert held[-1] < held[4] + LEAK, held


@pytest.mark.parametrize("key", SEARCHES)
def test_interrupted_runs_leave_the_next_one_as_it_was(server, key):
    """The searches and pictures after that are those before."""
    expected = run(server, graph(key, seed=3))
    server.post("/free", {"unload_models": True, "free_memory": True})
    interrupt(server, lambda seed: graph(key, seed=seed, max_iterations=1000))
    found = run(server, graph(key, seed=3))
    assert texts(found[0]) == texts(expected[0])
    same = [pictures(server, outputs["picture"]) for *_, outputs in (expected, found)]
    assert (same[0] == same[1]).all()
