"""Memorization Map and Bright Ending Mask: what they look at, and at which cost."""

import comfy.sample
import pytest
import torch
from basin_escape.benchmarks.measure import NODES
from basin_escape.samplers.attention import logits
from basin_escape.samplers.host.patch import patch_model
from basin_escape.samplers.host.probe import probe
from basin_escape.samplers.settings import Settings
from basin_escape.samplers.trace import GuidanceTrace
from basin_escape.tests.support.gaussian import guidance_norm, load_gaussian, prompt

from .conftest import MEMORIZED, SEED, Testbed


@pytest.fixture(scope="module")
def learned():
    return Testbed("learned")


@pytest.fixture(scope="module")
def finished(learned):
    return {"samples": learned.stock(MEMORIZED, steps=12)}


def mapped(bed, latent, model=None, timestep=20.0, box=1):
    positive, negative = bed.encode(MEMORIZED), bed.encode("")
    return NODES["MemorizationMap"]().map(model or bed.model, positive, negative, latent, SEED, timestep, box)


def test_the_score_is_the_known_one_of_a_gaussian():
    """Every element has the same guidance: sigma (1 - (-2)) / (deviation^2 + sigma^2)."""
    model, channels = load_gaussian((5, 6, 8)), 5
    latent = {"samples": torch.randn(2, channels, 6, 8)}
    mask, image, score = NODES["MemorizationMap"]().map(model, prompt(1.0), prompt(-2.0), latent, SEED, 300.0, 3)
    sigma = model.get_model_object("model_sampling").percent_to_sigma(0.7)
    each = guidance_norm(torch.tensor(float(sigma)), torch.tensor([3.0]))
    assert score == pytest.approx(channels * each.item() ** 2, rel=1e-3)
    torch.testing.assert_close(mask, torch.ones(2, 6, 8), rtol=0, atol=1e-3)
    assert image.shape == (2, 48, 64, 3)


def test_the_map_is_that_of_the_two_predictions_of_the_noisy_picture(learned, finished):
    sampling, network = learned.model.get_model_object("model_sampling"), learned.model.model
    sigma = torch.tensor(float(sampling.percent_to_sigma(0.98)))
    x = network.process_latent_in(finished["samples"]) + sigma * comfy.sample.prepare_noise(finished["samples"], SEED)
    contexts = [learned.encode(text)[0][0].repeat(2, 1, 1) for text in (MEMORIZED, "")]
    with torch.no_grad():
        options = {"sigmas": sigma.expand(2)}
        cond, uncond = (
            network.apply_model(x, sigma.expand(2), c_crossattn=context, transformer_options=options)
            for context in contexts
        )
    expected = ((cond - uncond) / sigma).square().sum(1)
    mask, _, score = mapped(learned, finished)
    assert score == pytest.approx(expected.mean().item(), rel=1e-3)
    torch.testing.assert_close(mask, expected / expected.amax((1, 2), keepdim=True), rtol=0, atol=1e-3)


def test_a_pair_of_calls_for_each_picture_and_the_same_alone_and_without_our_patch(learned, finished):
    counted, calls = learned.counted()
    together = mapped(learned, finished, counted)[0]
    assert calls() == 2 * 2
    alone = mapped(learned, {"samples": finished["samples"][1:], "batch_index": [1]})[0]
    torch.testing.assert_close(together[1:], alone, rtol=0, atol=1e-3)
    patched = patch_model(learned.model, Settings("never"), GuidanceTrace())
    assert torch.equal(mapped(learned, finished, patched)[0], together)


def test_memorized_pictures_have_a_higher_score_than_ordinary_ones(learned, finished):
    ordinary = {"samples": learned.stock("red circle", steps=12)}
    positive, negative = learned.encode("red circle"), learned.encode("")
    node = NODES["MemorizationMap"]()
    other = node.map(learned.model, positive, negative, ordinary, SEED, 20.0, 1)[2]
    assert mapped(learned, finished)[2] > other


def test_what_has_no_map_is_refused(learned, finished):
    node, positive = NODES["MemorizationMap"](), learned.encode(MEMORIZED)
    with pytest.raises(ValueError, match="samples is no latent of pictures"):
        node.map(learned.model, positive, positive, {"samples": torch.zeros(1, 3, 2, 16, 16)}, SEED, 1.0, 1)
    with pytest.raises(ValueError, match="negative is an empty conditioning"):
        node.map(learned.model, positive, [], finished, SEED, 1.0, 1)
    late = [[cond, {**extra, "start_percent": 0.0, "end_percent": 0.5}] for cond, extra in positive]
    with pytest.raises(ValueError, match="There is no guidance to look at"):
        node.map(learned.model, late, positive, finished, SEED, 1.0, 1)
    bed = Testbed("eps")
    with pytest.raises(ValueError, match="has no cross-attention"):
        NODES["BrightEndingMask"]().mask(bed.model, bed.clip, MEMORIZED, bed.latent(), SEED, 1.0)


@pytest.mark.parametrize(("text", "token"), [(MEMORIZED, 4), (" ".join([MEMORIZED] * 4), 15)])
def test_the_mask_is_the_attention_to_the_end_token_in_the_down_layer(learned, finished, text, token):
    seen = []

    def attend(q, k, v, extra):
        if extra["block"][0] == "input":
            seen.append(logits(q, k, extra["n_heads"]).softmax(3)[..., token].mean(1).unflatten(1, (4, 4)))
        return torch.nn.functional.scaled_dot_product_attention(
            *(x.unflatten(2, (extra["n_heads"], -1)).transpose(1, 2) for x in (q, k, v))
        ).transpose(1, 2).flatten(2)  # fmt: skip

    watched = learned.model.clone()
    for number in range(8):
        watched.set_model_attn2_replace(attend, "input", number)
    sigma = float(learned.model.get_model_object("model_sampling").percent_to_sigma(0.98))
    noise = comfy.sample.prepare_noise(finished["samples"], SEED)
    probe(watched, learned.encode(text), learned.encode(text), finished["samples"], noise, sigma)
    expected = seen[0][:2]
    counted, calls = learned.counted()
    mask, image, score = NODES["BrightEndingMask"]().mask(counted, learned.clip, text, finished, SEED, 20.0)
    assert calls() == 2
    assert score == pytest.approx(expected.mean().item(), rel=1e-3)
    assert mask.shape == (2, 16, 16) and image.shape == (2, 128, 128, 3)
    large = torch.nn.functional.interpolate(expected[:, None], [16, 16], mode="bilinear")[:, 0]
    torch.testing.assert_close(mask, large / large.amax((1, 2), keepdim=True), rtol=0, atol=1e-3)
