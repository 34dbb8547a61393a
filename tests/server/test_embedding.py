"""The nodes that take gradients with respect to the prompt, where every node runs in inference mode."""

import pytest

from .conftest import pictures, run
from .test_found_noise import interrupt, texts

WIDGETS = {"target": 0.0, "one_for_all": True, "learning_rate": 0.05, "max_iterations": 3}


def graph(variant="learned", seed=1, steps=4, **widgets):
    """A prompt that is moved and sampled; its words; an embedding that was found for a picture, sampled."""
    start = {"seed": seed, "latent_image": ["latent", 0]}
    prompts = {"model": ["testbed", 0], "negative": ["empty", 0]}
    nodes = {
        "testbed": ("LoadMemorizationTestbed", {"variant": variant}),
        "text": ("CLIPTextEncode", {"clip": ["testbed", 1], "text": "aurora red circle"}),
        "empty": ("CLIPTextEncode", {"clip": ["testbed", 1], "text": ""}),
        "latent": ("EmptyLatentImage", {"width": 128, "height": 128, "batch_size": 2}),
        "moved": ("MitigatePromptEmbedding", {**prompts, **start, **WIDGETS, "positive": ["text", 0], **widgets}),
        "moved report": ("PreviewAny", {"source": ["moved", 1]}),
        "words": ("TokenSignificance", {**prompts, **start, "clip": ["testbed", 1], "text": "aurora red circle"}),
        "numbers": ("PreviewAny", {"source": ["words", 2]}),
        "one": ("ImageFromBatch", {"image": ["testbed", 3], "batch_index": 0, "length": 1}),
        "encoded": ("VAEEncode", {"pixels": ["one", 0], "vae": ["testbed", 2]}),
        "probed": (
            "ProbeMemorization",
            {"model": ["testbed", 0], "positive": ["empty", 0], "picture": ["encoded", 0], "seed": seed}
            | {"steps": steps, "draws": 2, "learning_rate": 0.1},
        ),
        "probe report": ("PreviewAny", {"source": ["probed", 1]}),
    }
    sampling = {"steps": 3, "cfg": 7.5, "sampler_name": "euler", "scheduler": "normal", "denoise": 1.0}
    for name in ("moved", "probed"):
        nodes[f"{name} sampled"] = ("KSampler", {**prompts, **start, **sampling, "positive": [name, 0]})
        nodes[f"{name} decoded"] = ("VAEDecode", {"samples": [f"{name} sampled", 0], "vae": ["testbed", 2]})
        nodes[f"{name} picture"] = ("PreviewImage", {"images": [f"{name} decoded", 0]})
    return {name: {"class_type": kind, "inputs": inputs} for name, (kind, inputs) in nodes.items()}


@pytest.mark.parametrize("variant", ["eps", "learned"])
def test_they_run_and_tell(server, variant):
    messages, _, outputs = run(server, graph(variant))
    told = texts(messages)
    assert any(text.startswith("norm 0.0") and "target 0.0000 RMS" in text for text in told)
    reports = [text for text in told if "\ncost: " in text]
    assert len(reports) == 3 and sum("target not reached: norm" in text for text in reports) == 1
    assert sum("aurora" in text for text in reports) == 1 and sum("embedding moved by" in text for text in reports) == 1
    assert pictures(server, outputs["words"]).shape[0] == 1
    for name in ("moved picture", "probed picture"):
        assert pictures(server, outputs[name]).shape == (2, 128, 128, 3)


def test_interrupted_runs_leave_the_next_one_as_it_was(server):
    expected = run(server, graph(seed=3))
    server.post("/free", {"unload_models": True, "free_memory": True})
    interrupt(server, lambda seed: graph(seed=seed, steps=1000, max_iterations=1000))
    found = run(server, graph(seed=3))
    assert sorted(texts(found[0])) == sorted(texts(expected[0]))
    for name in ("moved picture", "probed picture"):
        same = [pictures(server, outputs[name]) for *_, outputs in (expected, found)]
        assert (same[0] == same[1]).all()
