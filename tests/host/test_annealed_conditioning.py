"""CADS on ComfyUI's sampling library."""

import copy
from itertools import pairwise

import comfy.samplers
import pytest
import torch
from basin_escape.benchmarks.measure import NODES
from basin_escape.samplers.annealed_conditioning import Annealing
from basin_escape.samplers.host.context import ContextChange
from basin_escape.samplers.host.patch import patch_model
from basin_escape.samplers.schedule import TimestepScale
from basin_escape.samplers.settings import Settings
from basin_escape.samplers.trace import GuidanceTrace

from .conftest import MEMORIZED, ORDINARY

CFG = 7.5
STRONG = {"strength": 1.0, "tau1": 0.3, "tau2": 0.9}


def annealed(testbed, model=None, noise_seed=3, **widgets):
    widgets = {"strength": 0.25, "rescale": 1.0, "tau1": 0.6, "tau2": 0.9, **STRONG, **widgets}
    return NODES["AnnealConditioning"]().patch(model or testbed.model, noise_seed=noise_seed, **widgets)[0]


def written_out(testbed, annealing, steps=8, batch=2, negative=""):
    """Euler by hand: noise on the positive prompt alone."""
    model, x = testbed.model.model, testbed.noise(batch)
    timestep = TimestepScale(model.model_sampling.percent_to_sigma)
    sigmas = comfy.samplers.KSampler(testbed.model, steps, "cpu", "euler", "normal").sigmas
    x = model.model_sampling.noise_scaling(sigmas[0], x, torch.zeros_like(x), True)
    positive, negative = (testbed.encode(prompt)[0][0].expand(batch, -1, -1) for prompt in (MEMORIZED, negative))
    for sigma, following in pairwise(sigmas):
        level = sigma.item()
        contexts = annealing(positive, timestep(level) / 1000, level), negative
        cond, uncond = (
            model.apply_model(x, sigma.expand(batch), c_crossattn=c, transformer_options={"sigmas": sigma[None]})
            for c in contexts
        )
        x = x + (x - (uncond + CFG * (cond - uncond))) / sigma * (following - sigma)
    return model.process_latent_out(model.model_sampling.inverse_noise_scaling(sigmas[-1], x))


@pytest.mark.parametrize("negative", ["", ORDINARY])
def test_it_is_the_written_out_loop(testbed, negative):
    """Prompts of different lengths, which the host repeats until they fit, too."""
    expected = written_out(testbed, Annealing(seed=3, **STRONG), negative=negative)
    samples = testbed.stock(MEMORIZED, model=annealed(testbed), steps=8, negative=negative)
    torch.testing.assert_close(samples, expected, rtol=0, atol=1e-4)
    assert (samples - testbed.stock(MEMORIZED, steps=8, negative=negative)).abs().max() > 1e-3


def test_off_is_stock_bit_for_bit_and_on_costs_no_call(testbed):
    counted, calls = testbed.counted()
    plain = testbed.stock(MEMORIZED, model=counted, steps=6)
    stock_calls = calls()
    off = annealed(testbed, counted, strength=0.0)
    assert torch.equal(testbed.stock(MEMORIZED, model=off, steps=6), plain)
    testbed.stock(MEMORIZED, model=annealed(testbed, counted), steps=6)
    assert calls() == 3 * stock_calls


def test_where_the_noise_has_faded_it_is_stock_bit_for_bit(testbed):
    plain = testbed.stock(MEMORIZED, steps=6, denoise=0.4)
    assert torch.equal(testbed.stock(MEMORIZED, model=annealed(testbed, tau1=0.6), steps=6, denoise=0.4), plain)


def test_a_batch_is_its_samples_one_by_one(testbed):
    together = testbed.stock(MEMORIZED, model=annealed(testbed), noise=testbed.noise(3), steps=6)
    for place, noise in enumerate(testbed.noise(3)):
        model = annealed(testbed, noise_seed=3 + place)
        alone = testbed.stock(MEMORIZED, model=model, noise=noise[None], steps=6)[0]
        torch.testing.assert_close(alone, together[place], rtol=0, atol=1e-4)


@pytest.mark.parametrize("kinds", [[0, 1], [1, 0], [1, 0, 0], [0], [1]])
def test_only_conditional_rows_change_whatever_their_order(testbed, kinds):
    context = torch.randn(2 * len(kinds), 3, 4, generator=torch.Generator().manual_seed(0))
    annealing, sampling = Annealing(), testbed.model.get_model_object("model_sampling")
    changed = ContextChange(annealing).changed(context, torch.full((2 * len(kinds),), 14.0), kinds, sampling)
    for rows, made, kind in zip(context.chunk(len(kinds)), changed.chunk(len(kinds)), kinds, strict=True):
        assert torch.equal(rows, made) == (kind == 1)


@pytest.mark.parametrize("copies", [1, 2, 3, 4])
def test_a_prompt_that_the_host_repeats_has_its_noise_repeated(testbed, copies):
    prompt = torch.randn(2, 6, 4, generator=torch.Generator().manual_seed(0))
    sampling = testbed.model.get_model_object("model_sampling")
    change = ContextChange(Annealing())
    alone = change.changed(prompt, torch.full((2,), 14.0), [0], sampling)
    repeated = change.changed(prompt.repeat(1, copies, 1), torch.full((2,), 14.0), [0], sampling)
    assert torch.equal(repeated, alone.repeat(1, copies, 1))


def test_a_model_without_tokens_is_refused(testbed):
    sampling = testbed.model.get_model_object("model_sampling")
    with pytest.raises(ValueError, match="nothing to anneal"):
        ContextChange(Annealing()).changed(None, torch.ones(1), [0], sampling)


def test_with_a_static_transition_and_a_deep_copy(testbed):
    settings = Settings("static", "zero guidance", static_percent=0.5)
    one = patch_model(annealed(testbed), settings, GuidanceTrace())
    other = annealed(testbed, patch_model(testbed.model, settings, GuidanceTrace()))
    samples = testbed.stock(MEMORIZED, model=one, steps=6)
    assert torch.equal(testbed.stock(MEMORIZED, model=other, steps=6), samples)
    one.model_options = copy.deepcopy(one.model_options)
    assert torch.equal(testbed.stock(MEMORIZED, model=one, steps=6), samples)
