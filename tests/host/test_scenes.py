"""The variant "scenes" on ComfyUI's sampling library: what must copy copies, and what must not does not."""

import pytest
import torch
from basin_escape.benchmarks.harness import Sampling, sample, start_noise
from basin_escape.benchmarks.judged import judge
from basin_escape.benchmarks.measure import measure
from basin_escape.benchmarks.methods import PLAIN, guided
from basin_escape.benchmarks.testbeds import testbed as bed_of
from basin_escape.samplers.settings import Settings
from basin_escape.testbed.scenes.captions import MEMORIZED_CAPTIONS, ORDINARY_CAPTIONS, THINGS
from basin_escape.tests.support.workflows import read_workflow
from comfy.sample import fix_empty_latent_channels

from .conftest import Testbed as Loaded

BED = bed_of("scenes")
MEMORIZED, ORDINARY = MEMORIZED_CAPTIONS[:2], ("a blue windmill", "the white tree")
ALL = (MEMORIZED_CAPTIONS, ORDINARY_CAPTIONS)


@pytest.fixture(scope="module")
def scenes():
    return Loaded("scenes")


def made(method, captions, starts=2):
    """Judged pictures of these captions under 50 steps of Euler at guidance 7.5, and the runs."""
    samples, runs = [], []
    for number, caption in enumerate(captions):
        seeds = range(100 * number, 100 * number + starts)
        pictures, trace, _ = sample(method, BED, caption, start_noise(BED.latent_shape, seeds), seeds, Sampling())
        samples.append(pictures)
        runs += trace.runs if trace else []
    return judge(BED, captions, samples), runs


def test_cfg_copies_what_was_memorized_and_follows_what_was_not():
    copies, _ = made(PLAIN, MEMORIZED)
    assert copies.copied.all() and copies.similarity.min() > 0.99
    ordinary, _ = made(PLAIN, ORDINARY)
    assert not ordinary.copied.any() and (ordinary.alignment == 1).all()


def test_orthogonal_guidance_keeps_the_prompt_and_not_the_copy():
    found, _ = made(guided("", Settings("never", "orthogonal guidance")), MEMORIZED)
    assert not found.copied.any() and (found.alignment == 1).all()


def test_the_guidance_norm_has_a_hump_after_which_algorithm_1_begins():
    """One hump or two: out of the basin, and then towards what the prompt names."""
    found, runs = made(guided("", Settings(latest_percent=1.0)), MEMORIZED[1:], starts=4)
    _, unguided = made(guided("", Settings("static", static_percent=1.0)), MEMORIZED[1:], starts=4)
    norm, steps = unguided[0].series["guidance_norm"], runs[0].transition_step
    assert (norm.amax(0) > 1.2 * norm[0]).all() and (norm[-1] < 0.01 * norm.amax(0)).all()
    assert not found.copied.any() and (steps >= 0).sum() >= 3
    for curve, step in zip(norm.T, steps, strict=True):
        assert step < 0 or curve[step - 1] < 0.8 * curve[:step].max()


def test_the_loaded_pictures_are_those_that_are_copied(scenes):
    assert scenes.prompts.split("\n") == list(MEMORIZED_CAPTIONS)
    assert scenes.memorized.shape == (16, 256, 256, 3)
    torch.testing.assert_close(scenes.vae.encode(scenes.memorized), BED.memorized)
    latent = fix_empty_latent_channels(scenes.model, torch.zeros(1, 4, 32, 32))  # what Empty Latent Image makes
    assert latent.shape == (1, 3, 32, 32)


@pytest.mark.parametrize(("variant", "size", "right"), [("scenes", 16, 256), ("eps", 32, 128)])
def test_a_latent_of_another_size_is_refused_with_the_right_one(variant, size, right):
    bed = Loaded(variant)
    message = rf"size 3x{size}x{size}, but this variant .* {right}x{right} .* width {right} and height {right}\."
    with pytest.raises(ValueError, match=message):
        bed.stock("red", noise=torch.zeros(1, 3, size, size), steps=1)


def test_unknown_words_are_said_in_the_log_once_and_told_with_every_prompt(scenes, caplog):
    told = []
    scenes.clip.tell = told.append
    for text in ("a photo of a dog", "a dog in the red house", "a red house"):
        scenes.clip.tokenize(text)
    assert caplog.text.count("does not know dog, photo,") == 1 and caplog.text.count("does not know") == 1
    assert [", ".join(THINGS) in text for text in told] == [True, True, False]
    assert "does not know dog," in told[1] and told[2] == ""


def test_the_gate_of_the_first_workflow_tells_memorized_prompts_from_ordinary_ones():
    (patch,) = [
        node for node in read_workflow("testbed_model_patch")["nodes"] if node["type"] == "BasinEscapeModelPatch"
    ]
    gate = patch["widgets_values"][-1]
    norms = [measure(captions, 4, steps=1, name="scenes", transition="off").first_norms for captions in ALL]
    assert norms[0].min() > 1.2 * gate and norms[1].max() < gate / 1.2
