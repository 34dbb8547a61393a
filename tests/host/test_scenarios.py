"""The paper's causes of memorization: what must copy copies, what was not memorized does not."""

import pytest
import torch
from basin_escape.benchmarks.measure import NODES, WIDGETS, encode
from basin_escape.testbed.judge import COPY_SIMILARITY, alignment, similarity
from basin_escape.testbed.scenarios import SCENARIOS

STEPS = 20


def sample(variant, prompt, seeds=3, **widgets):
    """Pictures of a prompt, and their similarity to every memorized image: [seeds, memorized]."""
    scenario = SCENARIOS[variant]()
    model, clip, _, memorized, prompts = NODES["LoadMemorizationTestbed"]().load(variant)
    assert memorized.shape == (len(scenario.captions), 128, 128, 3)
    assert prompts.split("\n") == list(scenario.captions)
    latent, _ = NODES["BasinEscapeKSampler"]().sample(
        model=model,
        seed=0,
        positive=encode(clip, prompt),
        negative=encode(clip, ""),
        latent_image={"samples": torch.zeros(seeds, 3, 16, 16)},
        **{**WIDGETS, "steps": STEPS, "transition": "off", **widgets},
    )
    images = scenario.pictures.means[: len(scenario.captions)]
    return latent["samples"], torch.stack([similarity(latent["samples"], image) for image in images], 1), scenario


@pytest.mark.parametrize(
    ("variant", "prompt", "copied"),
    [
        ("small data set", "bramble red ring", "bramble red ring"),
        ("duplicated items", "pavilion yellow circle", "pavilion yellow circle"),
        ("trigger words", "aurora", "aurora red circle"),
        ("trigger words", "a view of aurora with a blue square", "aurora red circle"),
    ],
)
def test_cfg_copies(variant, prompt, copied):
    _, similar, scenario = sample(variant, prompt)
    assert similar[:, scenario.captions.index(copied)].min() > COPY_SIMILARITY


def test_a_single_copy_is_copied_less():
    _, similar, scenario = sample("duplicated items", "aurora red circle", seeds=8)
    own = similar[:, scenario.captions.index("aurora red circle")]
    assert 0 < (own > COPY_SIMILARITY).float().mean() < 1


def test_without_its_trigger_word_a_prompt_is_ordinary():
    samples, similar, scenario = sample("trigger words", "red circle")
    assert similar.max() < COPY_SIMILARITY
    assert alignment(samples, "red circle", scenario.pictures).min() == 1


def test_a_class_label_copies_its_training_pictures_sometimes():
    _, similar, scenario = sample("class labels", "blue cross", seeds=16)
    own = torch.tensor([caption == "blue cross" for caption in scenario.captions])
    assert 0 < (similar[:, own].amax(1) > COPY_SIMILARITY).float().mean() < 1
    assert similar[:, ~own].max() < COPY_SIMILARITY


def test_a_static_transition_leaves_the_class_and_nothing_of_its_pictures():
    samples, similar, scenario = sample("class labels", "blue cross", transition="static", static_percent=0.4)
    assert similar.max() < COPY_SIMILARITY
    assert alignment(samples, "blue cross", scenario.pictures).min() == 1


def test_a_small_data_set_has_only_other_copies_to_escape_to():
    _, similar, scenario = sample("small data set", "bramble red ring", transition="static", static_percent=0.5)
    assert similar[:, scenario.captions.index("bramble red ring")].max() < COPY_SIMILARITY
    assert similar.amax(1).min() > COPY_SIMILARITY
