"""Re-anchored guidance on ComfyUI's sampling library."""

from itertools import pairwise

import comfy.samplers
import pytest
import torch
from basin_escape.benchmarks.measure import NODES
from basin_escape.samplers.host.patch import patch_model
from basin_escape.samplers.reanchored_guidance import Reanchoring
from basin_escape.samplers.settings import Settings
from basin_escape.samplers.trace import GuidanceTrace

from .conftest import MEMORIZED, ORDINARY, OTHER, run_guider

CFG, STEPS = 7.5, 6
LISTED = [OTHER, ORDINARY, "blue ring"]  # a memorized one, which the search passes over, then two ordinary ones
WIDGETS = {"formula": "blend", "search_below": 0.01, "plain_below": 0.002, "full_from": 0.02}


def guider(testbed, prompt=MEMORIZED, alternatives=LISTED, model=None, cfg=CFG, **widgets):
    prompts, text = (testbed.encode(prompt), testbed.encode("")), "\n".join(["", *alternatives, " "])
    node, model = NODES["ReanchorGuidance"](), model or testbed.model
    return node.get_guider(model, *prompts, cfg, text, clip=testbed.clip, **{**WIDGETS, **widgets})[0]


def sample(testbed, noise=None, **options):
    return run_guider(guider(testbed, **options), testbed.noise() if noise is None else noise, STEPS)


def written_out(testbed, rule, chosen, batch=2):
    """Euler by hand, one sample at a time, to the alternative `chosen`."""
    model, made = testbed.model.model, []
    sigmas = comfy.samplers.KSampler(testbed.model, STEPS, "cpu", "euler", "normal").sigmas
    contexts = [testbed.encode(prompt)[0][0] for prompt in (MEMORIZED, chosen, "")]
    for noise in testbed.noise(batch):
        x = model.model_sampling.noise_scaling(sigmas[0], noise[None], torch.zeros_like(noise[None]), True)
        for sigma, following in pairwise(sigmas):
            options = {"sigmas": sigma[None]}
            original, alternative, uncond = (
                model.apply_model(x, sigma[None], c_crossattn=c, transformer_options=options) for c in contexts
            )
            m = ((alternative - uncond).norm() / sigma / x.numel() ** 0.5)[None]
            x = x + (x - rule(original, alternative, uncond, m, CFG)) / sigma * (following - sigma)
        made.append(model.model_sampling.inverse_noise_scaling(sigmas[-1], x))
    return model.process_latent_out(torch.cat(made))


@pytest.mark.parametrize("formula", ["blend", "paper"])
def test_it_is_the_written_out_loop_to_the_first_alternative_below(testbed, formula):
    expected = written_out(testbed, Reanchoring(**{**WIDGETS, "formula": formula}), ORDINARY)
    samples = sample(testbed, formula=formula)
    torch.testing.assert_close(samples, expected, rtol=0, atol=1e-3)
    assert (samples - testbed.stock(MEMORIZED, steps=STEPS)).abs().max() > 0.1


def test_where_none_is_below_it_takes_the_least(testbed):
    widgets = {**WIDGETS, "search_below": 0.0001}
    expected = written_out(testbed, Reanchoring(**widgets), ORDINARY)
    torch.testing.assert_close(sample(testbed, alternatives=[OTHER, ORDINARY], **widgets), expected, rtol=0, atol=1e-3)


@pytest.mark.parametrize("sampler", ["euler", "heun", "euler_cfg_pp"])
def test_a_prompt_below_is_stock_bit_for_bit_at_stocks_calls(testbed, sampler):
    counted, calls = testbed.counted()
    plain = testbed.stock(ORDINARY, model=counted, steps=STEPS, sampler=sampler)
    stock_calls = calls()
    samples = run_guider(guider(testbed, ORDINARY, model=counted), testbed.noise(), STEPS, sampler)
    assert torch.equal(samples, plain) and calls() == 2 * stock_calls


def test_a_call_more_in_every_step_and_one_for_each_alternative_tried(testbed):
    counted, calls = testbed.counted()
    sample(testbed, model=counted)
    tried, batch = 2, 2  # the second one is below
    assert calls() == batch * (3 * STEPS + tried - 1)


def test_a_batch_is_its_samples_one_by_one(testbed):
    together = sample(testbed, noise=testbed.noise(3))
    for made, noise in zip(together, testbed.noise(3), strict=True):
        torch.testing.assert_close(sample(testbed, noise=noise[None])[0], made, rtol=0, atol=1e-4)


def test_samples_of_a_batch_may_differ_in_what_they_take(testbed):
    """A threshold between the samples' own first norms: those below are stock, bit for bit."""
    settings, noise = Settings("static", static_percent=0.0), testbed.noise(4)
    _, run = testbed.guided(settings, MEMORIZED, noise=noise, batch=4, steps=STEPS)
    first = run.quantity("guidance_norm")[0] / run.elements**0.5
    low, high = first.sort().values[1:3].tolist()
    samples = sample(testbed, noise=noise, search_below=(low + high) / 2)
    plain = testbed.stock(MEMORIZED, noise=noise, batch=4, steps=STEPS)
    below = first < (low + high) / 2
    assert below.sum() == 2
    same = (samples == plain).flatten(1).all(1)
    assert torch.equal(same, below)


def test_a_run_leaves_nothing_behind_and_a_patch_of_the_pack_has_no_say(testbed):
    patched = patch_model(testbed.model, Settings("never"), trace := GuidanceTrace())
    one = guider(testbed, model=patched)
    first = run_guider(one, testbed.noise(), STEPS)
    assert torch.equal(run_guider(one, testbed.noise(), STEPS), first) and not hasattr(one, "search")
    assert torch.equal(first, sample(testbed)) and not trace.runs


def test_an_encoded_alternative_comes_first(testbed):
    prompts = testbed.encode(MEMORIZED), testbed.encode("")
    node = NODES["ReanchorGuidance"]()
    encoded = testbed.encode(ORDINARY)
    made = node.get_guider(testbed.model, *prompts, CFG, "", alternative=encoded, **WIDGETS)[0]
    assert torch.equal(run_guider(made, testbed.noise(), STEPS), sample(testbed, alternatives=[ORDINARY]))


@pytest.mark.parametrize(
    "options, message",
    [
        ({"alternatives": []}, "alternatives is empty"),
        ({"cfg": float("nan")}, "cfg"),
        ({"full_from": 0.0}, "plain_below"),
    ],
)
def test_what_is_wrong_is_said(testbed, options, message):
    with pytest.raises(ValueError, match=message):
        guider(testbed, **options)
    with pytest.raises(ValueError, match="clip is needed"):
        NODES["ReanchorGuidance"]().get_guider(testbed.model, [1], [1], CFG, "a", **WIDGETS)
