"""Sampling that is divided between two samplers, batches by index, and latents of two parts."""

import comfy.sample
import comfy.samplers
import pytest
import torch
from basin_escape.benchmarks.measure import NODES, WIDGETS
from basin_escape.samplers.guidance import scale_before_transition
from basin_escape.samplers.host.guider import BasinEscapeCFGGuider
from basin_escape.samplers.host.patch import patch_model
from basin_escape.samplers.settings import Settings
from basin_escape.samplers.trace import GuidanceTrace
from basin_escape.tests.support.gaussian import guidance_norm, load_gaussian, prompt

from .conftest import MEMORIZED, SEED

STEPS, CFG = 30, 7.5
STATIC = Settings("static", static_percent=0.5)
DYNAMIC = Settings("dynamic", "opposite guidance", latest_percent=0.6)


def advanced(testbed, model, latent, first, last):
    """KSamplerAdvanced: add_noise in the first part only, leftover noise returned but by the last part."""
    noise = testbed.noise() if first == 0 else torch.zeros_like(latent)
    prompts = testbed.encode(MEMORIZED), testbed.encode("")
    part = {"disable_noise": first > 0, "start_step": first, "last_step": last, "force_full_denoise": last == STEPS}
    return comfy.sample.sample(
        model, noise, STEPS, CFG, "euler", "normal", *prompts, latent, disable_pbar=True, seed=SEED, **part
    )


def in_parts_by_patch(testbed, settings, *parts):
    """The samples of KSamplerAdvanced nodes in a row on one patched model, and the runs."""
    model = patch_model(testbed.model, settings, trace := GuidanceTrace())
    latent = testbed.latent()["samples"]
    for first, last in parts:
        latent = advanced(testbed, model, latent, first, last)
    return latent, trace.runs


def in_parts_by_guider(testbed, settings, *parts):
    """The same with SplitSigmas and one guider for all SamplerCustomAdvanced nodes."""
    guider = BasinEscapeCFGGuider(testbed.model, settings, GuidanceTrace())
    guider.set_conds(testbed.encode(MEMORIZED), testbed.encode(""))
    guider.set_cfg(CFG)
    sigmas = comfy.samplers.KSampler(testbed.model, STEPS, "cpu", "euler", "normal").sigmas
    latent = testbed.latent()["samples"]
    for first, last in parts:
        noise = testbed.noise() if first == 0 else torch.zeros_like(latent)
        euler = comfy.samplers.sampler_object("euler")
        latent = guider.sample(noise, latent, euler, sigmas[first : last + 1], disable_pbar=True, seed=SEED)
    return latent, guider.trace.runs


def mitigated(run):
    """[steps, batch]: where CFG did not act. (One of the hosts does not tell its own scale where it does.)"""
    return run.quantity("scale") == scale_before_transition(run.settings)


BY = pytest.mark.parametrize("in_parts", [in_parts_by_patch, in_parts_by_guider])


@BY
@pytest.mark.parametrize("split", [3, 15, 27])
def test_a_static_transition_does_not_mind_a_split(testbed, in_parts, split):
    whole, _ = in_parts(testbed, STATIC, (0, STEPS))
    samples, runs = in_parts(testbed, STATIC, (0, split), (split, STEPS))
    assert torch.equal(samples, whole)
    assert torch.cat([mitigated(run) for run in runs])[:, 0].tolist() == [True] * 15 + [False] * 15


@BY
def test_a_dynamic_transition_does_not_mind_a_split_after_the_deadline(testbed, in_parts):
    whole, (run,) = in_parts(testbed, DYNAMIC, (0, STEPS))
    assert (run.transition_step > 0).all() and (run.transition_step <= 18).all()
    samples, runs = in_parts(testbed, DYNAMIC, (0, 18), (18, STEPS))
    assert torch.equal(samples, whole)
    assert not mitigated(runs[1]).any()


@BY
def test_before_the_deadline_every_part_looks_for_its_own_transition(testbed, in_parts):
    """As the help says: the second sampler knows nothing of the first one's transition."""
    _, (whole,) = in_parts(testbed, DYNAMIC, (0, STEPS))
    first = whole.transition_step.argmin()
    split = whole.transition_step[first].item() + 2
    assert split < 18
    _, runs = in_parts(testbed, DYNAMIC, (0, split), (split, STEPS))
    assert not mitigated(runs[0])[-2:, first].any() and mitigated(runs[1])[:2, first].all()


def ksampler(testbed, latent, **widgets):
    prompts = {"positive": testbed.encode(MEMORIZED), "negative": testbed.encode("")}
    inputs = {**WIDGETS, "steps": 20, **widgets, **prompts}
    return NODES["BasinEscapeKSampler"]().sample(model=testbed.model, seed=SEED, latent_image=latent, **inputs)


def test_a_batch_by_index_is_those_samples_of_the_batch(testbed):
    """Latent From Batch hands on batch_index, so that a sample keeps its noise, and with it its transition."""
    one_by_one = {"samples": torch.zeros(4, 3, 16, 16), "batch_index": [0, 1, 2, 3]}
    latent, trace = ksampler(testbed, one_by_one)
    some, some_trace = ksampler(testbed, {"samples": torch.zeros(2, 3, 16, 16), "batch_index": [3, 1]})
    torch.testing.assert_close(some["samples"], latent["samples"][[3, 1]], rtol=0, atol=5e-3)
    assert torch.equal(some_trace.runs[0].transition_step, trace.runs[0].transition_step[[3, 1]])
    assert some["batch_index"] == [3, 1]


def test_image_and_sound_in_one_latent():
    """Nested latents of two shapes are sampled as one; the norm is over all elements of both."""
    nested = pytest.importorskip("comfy.nested_tensor", reason="needs a ComfyUI with nested latents").NestedTensor
    video, audio = torch.zeros(2, 4, 3, 8, 8), torch.zeros(2, 4, 20)
    model = load_gaussian((4, 3, 8, 8))
    inputs = {**WIDGETS, "steps": 12, "positive": prompt(0.5), "negative": prompt(-0.5), "seed": SEED}

    def sample(**widgets):
        latent = {"samples": nested([video, audio])}
        return NODES["BasinEscapeKSampler"]().sample(model=model, latent_image=latent, **{**inputs, **widgets})

    latent, trace = sample()
    assert [part.shape for part in latent["samples"].unbind()] == [video.shape, audio.shape]
    (run,) = trace.runs
    assert run.elements == 4 * 3 * 8 * 8 + 4 * 20
    sigmas = comfy.samplers.KSampler(model, 12, "cpu", "euler", "normal").sigmas[:-1]
    expected = torch.tensor([guidance_norm(sigma, torch.ones(run.elements)) for sigma in sigmas])
    torch.testing.assert_close(run.quantity("guidance_norm")[:, 0], expected, rtol=1e-3, atol=1e-3)
    noise = comfy.sample.prepare_noise(nested([video, audio]), SEED)
    prompts = inputs["positive"], inputs["negative"]
    start = nested([video, audio])
    stock = comfy.sample.sample(model, noise, 12, CFG, "euler", "normal", *prompts, start, disable_pbar=True, seed=SEED)
    for off in (sample(transition="off"), sample(memorization_threshold=0.99)):
        for part, expected in zip(off[0]["samples"].unbind(), stock.unbind(), strict=True):
            assert torch.equal(part, expected)
