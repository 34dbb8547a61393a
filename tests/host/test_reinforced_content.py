"""Smoothed attention with reinforced content, in ComfyUI's own UNets."""

import copy

import comfy.samplers
import pytest
import torch
from basin_escape.benchmarks.measure import NODES, count_calls
from basin_escape.samplers.host.attention import WrappersMP, layers
from basin_escape.tests.support.unets import KINDS, load_unet, prompt

from .conftest import Testbed
from .test_attention import guarded, noise, sampled

TOKENS = 77
WIDTH, REINFORCE, ATTENUATE = 0.8, 0.5, 0.4
TEXT = "a red circle"
WORDS = [1, 2, 3]


class Encoder:
    """A CLIP of `blocks` blocks of 77 tokens with three words in each; its embedding is `positive`."""

    def __init__(self, kind, blocks=1, seed=1, **extra):
        self.blocks, self.positive = blocks, prompt(kind, seed, blocks, **extra)

    def tokenize(self, text):
        words = [(5, 1.0)] * 3 if text else []
        block = [(7, 1.0), *words, (8, 1.0)]
        return {"l": [block + [(8, 1.0)] * (TOKENS - len(block))] * (self.blocks if text else 1)}

    def encode_from_tokens_scheduled(self, tokens):
        return self.positive


def reinforced(model, clip, width=WIDTH, reinforce=REINFORCE, attenuate=ATTENUATE):
    return NODES["ReinforceContent"]().reinforce(model, clip, TEXT, width, reinforce, attenuate)


def grid_of(pixels):
    """Of square inputs."""
    side = round(pixels**0.5)
    assert side**2 == pixels
    return torch.cartesian_prod(torch.arange(side), torch.arange(side)).float()


def change(attention):
    """The paper's order, [heads, pixels, tokens] of a row: smoothing over pixels, then gains of tokens."""
    places = grid_of(attention.shape[1])
    weights = torch.exp(-torch.cdist(places, places).square() / (2 * WIDTH**2))
    attention = weights / weights.sum(1, keepdim=True) @ attention
    factors = torch.ones(TOKENS)
    factors[WORDS] += REINFORCE
    factors[5:] -= ATTENUATE
    return attention * factors.repeat(attention.shape[2] // TOKENS)


def by_replacement(model, places=(0,)):
    """The same as a written-out replacement of every layer: explicit attention maps, row by row."""

    def attend(q, k, v, extra):
        heads, ids = extra["n_heads"], extra["cond_or_uncond"]
        q, k, v = (x.unflatten(2, (heads, -1)).transpose(1, 2) for x in (q, k, v))
        attention = (q @ k.transpose(2, 3) / q.shape[3] ** 0.5).softmax(3)
        for row, place in enumerate([place for place in ids for _ in range(len(q) // len(ids))]):
            if place in places:
                attention[row] = change(attention[row])
        return (attention @ v).transpose(1, 2).flatten(2)

    patched = model.clone()
    for layer in layers(model):
        patched.set_model_attn2_replace(attend, *layer)
    return patched


@pytest.fixture(scope="module", params=KINDS)
def kind(request):
    return request.param


@pytest.mark.parametrize("blocks", [(1, 1), (2, 1), (1, 2)], ids=["equal", "long prompt", "long negative"])
def test_it_is_the_written_out_attention_in_the_prompts_rows_alone(kind, blocks):
    """A short conditioning is repeated by the host where the other one is longer."""
    unet, negative = load_unet(kind), prompt(kind, 2, blocks[1])
    model, positive = reinforced(unet, Encoder(kind, blocks[0]))
    found = sampled(model, positive, negative)
    torch.testing.assert_close(found, sampled(by_replacement(unet), positive, negative), rtol=1e-3, atol=2e-2)
    assert (found - sampled(unet, positive, negative)).abs().max() > 1


def test_off_is_stock_and_no_setting_costs_a_call(kind):
    unet, clip = load_unet(kind), Encoder(kind)
    model, positive = reinforced(unet, clip, 0.0, 0.0, 0.0)
    assert model is unet and positive is clip.positive
    counted, calls = count_calls(unet)
    sampled(reinforced(counted, clip)[0], positive, prompt(kind, 2))
    assert calls() == 2 * 2 * 2


@pytest.mark.parametrize("widgets", [(WIDTH, 0.0, 0.0), (0.0, REINFORCE, 0.0), (0.0, 0.0, ATTENUATE)])
def test_every_part_acts_by_itself(widgets):
    unet, negative = load_unet("SD1.x"), prompt("SD1.x", 2)
    model, positive = reinforced(unet, Encoder("SD1.x"), *widgets)
    assert (sampled(model, positive, negative) - sampled(unet, positive, negative)).abs().max() > 0.1


def test_a_batch_is_its_samples_one_by_one(kind):
    model, positive = reinforced(load_unet(kind), Encoder(kind))
    start, negative = noise(3), prompt(kind, 2)
    together = sampled(model, positive, negative, start=start)
    for place in range(3):
        alone = sampled(model, positive, negative, start=start[place : place + 1])
        torch.testing.assert_close(together[place : place + 1], alone, rtol=1e-3, atol=1e-2)


def one_by_one(args):
    """Each prediction by itself, as on a host short of memory."""
    options = {key: value for key, value in args["model_options"].items() if "calc_cond" not in key}
    single = [[cond if i == j else None for j in range(2)] for i, cond in enumerate(args["conds"])]
    call = args["model"], args["input"], args["sigma"]
    return [comfy.samplers.calc_cond_batch(call[0], conds, *call[1:], options)[i] for i, conds in enumerate(single)]


@pytest.mark.skipif(WrappersMP is None, reason="the option came with 0.3.44")
def test_whatever_the_order_of_the_rows():
    unet, negative = load_unet("SD1.x"), prompt("SD1.x", 2)
    model, positive = reinforced(unet, Encoder("SD1.x"))
    apart = model.clone()
    apart.model_options["sampler_calc_cond_batch_function"] = one_by_one
    found = sampled(apart, positive, negative)
    torch.testing.assert_close(found, sampled(model, positive, negative), rtol=1e-3, atol=1e-2)


def test_beside_another_prompt_with_masks_the_gains_are_this_ones():
    """Two prompts, a half of the picture each: the other one's words count as ever."""
    unet, negative, half = load_unet("SD1.x"), prompt("SD1.x", 2), torch.zeros(1, 8, 8)
    half[:, :, :4] = 1
    model, positive = reinforced(unet, Encoder("SD1.x", mask=half), width=0.0)
    other = prompt("SD1.x", 3, mask=1 - half)
    own = reinforced(unet, Encoder("SD1.x", seed=3, mask=1 - half), width=0.0)[0]
    found = one_step(model, positive + other, negative)
    left, right = one_step(model, positive, negative), one_step(unet, other, negative)
    torch.testing.assert_close(found[..., :4], left[..., :4], rtol=1e-3, atol=1e-2)
    torch.testing.assert_close(found[..., 4:], right[..., 4:], rtol=1e-3, atol=1e-2)
    assert (one_step(own, other, negative) - right)[..., 4:].abs().max() > 0.1


def one_step(model, positive, negative):
    """The denoised prediction at once, at scale 5."""
    built = comfy.samplers.CFGGuider(model)
    built.set_conds(positive, negative)
    built.set_cfg(5.0)
    sampler, sigmas = comfy.samplers.sampler_object("euler"), torch.tensor([4.0, 0.0])
    return built.sample(noise(), torch.zeros_like(noise()), sampler, sigmas, disable_pbar=True, seed=1)


@pytest.mark.skipif(WrappersMP is None, reason="only a wrapper knows the guider")
def test_under_guard_both_of_its_prompts_are_treated():
    """Without attenuation its third prediction is the first one: r takes from s."""
    model, positive = reinforced(load_unet("SD1.x"), Encoder("SD1.x"))
    negative = prompt("SD1.x", 2)
    built = guarded(2.0, 1.0)(model)
    built.set_conds(positive, negative)
    built.set_cfg(7.0)
    sampler, sigmas = comfy.samplers.sampler_object("euler"), torch.tensor([4.0, 0.0])
    found = built.sample(noise(), torch.zeros_like(noise()), sampler, sigmas, disable_pbar=True, seed=1)
    torch.testing.assert_close(found, one_step(model, positive, negative), rtol=1e-3, atol=2e-2)


def test_a_run_and_a_deep_copy_leave_the_model_as_it_was():
    unet, negative = load_unet("SD1.x"), prompt("SD1.x", 2)
    model, positive = reinforced(unet, Encoder("SD1.x"))
    once = sampled(model, positive, negative)
    model.model_options = copy.deepcopy(model.model_options)
    assert torch.equal(sampled(model, positive, negative), once)
    assert torch.equal(sampled(unet, positive, negative), sampled(load_unet("SD1.x"), positive, negative))


def test_the_learned_testbed_is_changed_at_no_further_call():
    bed = Testbed("learned")
    counted, calls = bed.counted()
    model, positive = NODES["ReinforceContent"]().reinforce(counted, bed.clip, "aurora red circle", 1.0, 0.5, 0.5)
    found = sampled(model, positive, bed.encode(""), bed.noise(), steps=3)
    assert calls() == 2 * 2 * 3 and found.isfinite().all()
    plain = sampled(bed.model, positive, bed.encode(""), bed.noise(), steps=3)
    assert (found - plain).abs().max() > 0.1


@pytest.mark.skipif(WrappersMP is None, reason="only a wrapper knows the conditionings")
def test_another_positive_is_refused_by_name():
    model, _ = reinforced(load_unet("SD1.x"), Encoder("SD1.x"))
    with pytest.raises(ValueError, match=r"positive is not what Reinforce Content \(experimental\) has encoded"):
        sampled(model, prompt("SD1.x", 3), prompt("SD1.x", 2))


def test_what_it_cannot_do_is_refused_by_name():
    exact, unet = Testbed("eps"), load_unet("SD1.x")
    with pytest.raises(ValueError, match="model is a ExactDenoiser, which has no cross-attention"):
        reinforced(exact.model, exact.clip)
    with pytest.raises(ValueError, match="clip is a TestbedCLIP, which does not tell words from padding"):
        reinforced(unet, exact.clip)
    with pytest.raises(ValueError, match="width is nan"):
        reinforced(unet, Encoder("SD1.x"), width=float("nan"))
    with pytest.raises(ValueError, match="attenuate is 2"):
        reinforced(unet, Encoder("SD1.x"), attenuate=2.0)
