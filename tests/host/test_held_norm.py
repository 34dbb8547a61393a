"""Norms calibrated and held, on ComfyUI's sampling library."""

import copy
from itertools import pairwise

import comfy.samplers
import pytest
import torch
from basin_escape.benchmarks.measure import NODES
from basin_escape.samplers.host.patch import WrappersMP, patch_model
from basin_escape.samplers.settings import Settings
from basin_escape.samplers.trace import GuidanceTrace

from .conftest import MEMORIZED, SEED, Testbed

CFG, STEPS = 7.5, 8
PROMPTS = ("red circle", "blue ring", "green cross", "white square")


def calibrated(testbed, model=None, prompts=PROMPTS, n_seeds=2, **changes):
    widgets = {"steps": STEPS, "sampler_name": "euler", "scheduler": "normal", "cfg": CFG, **changes}
    empty = testbed.encode("")
    latent = changes.pop("latent_image", testbed.latent(1))
    return NODES["CalibrateNorms"]().calibrate(
        model or testbed.model, testbed.clip, empty, **{**widgets, "latent_image": latent},
        ordinary_prompts="\n".join(prompts), seed=SEED, n_seeds=n_seeds,
    )  # fmt: skip


def held(model, norms, limit=1.0):
    return NODES["HoldNorms"]().patch(model, norms, limit)[0]


def sigmas_of(testbed, steps=STEPS):
    return comfy.samplers.KSampler(testbed.model, steps, "cpu", "euler", "normal").sigmas


def euler(testbed, prompt, noise, hold=None, scale=lambda sigma: 1 / (1 + sigma**2) ** 0.5):
    """One sample by hand, [1, ...]: what comes out, and ||d_k|| and ||D_k|| of every step."""
    model, sigmas, seen = testbed.model.model, sigmas_of(testbed), []
    x = model.model_sampling.noise_scaling(sigmas[0], noise, torch.zeros_like(noise), True)
    contexts = [testbed.encode(text)[0][0] for text in (prompt, "")]
    for k, (sigma, below) in enumerate(pairwise(sigmas)):
        cond, uncond = (
            model.apply_model(x, sigma[None], c_crossattn=c, transformer_options={"sigmas": sigma[None]})
            for c in contexts
        )
        image = uncond + CFG * (cond - uncond)
        step = ((x + (x - image) / sigma * (below - sigma)) * scale(below) - x * scale(sigma)).norm()
        seen.append((step, image.norm()))
        if hold is not None:
            mean, deviation, length = hold[k]
            if abs(step - mean) / deviation > hold.limit:
                image = image * length / image.norm()
        x = x + (x - image) / sigma * (below - sigma)
    return model.process_latent_out(model.model_sampling.inverse_noise_scaling(sigmas[-1], x)), seen


SCALES = {"eps": lambda sigma: 1 / (1 + sigma**2) ** 0.5, "flow": lambda sigma: 1.0}


class Hold(list):
    """mean, deviation and length of every step, and the limit."""

    limit = 0.0


def statistics_by_hand(testbed, scale):
    runs = []
    for place, prompt in enumerate(PROMPTS):
        noise = comfy.sample.prepare_noise(torch.zeros(2, 3, 16, 16), SEED + place)
        runs += [euler(testbed, prompt, noise[n : n + 1], scale=scale)[1] for n in range(2)]
    found = torch.tensor(runs)  # [pictures, steps, 2]
    steps, lengths = found.unbind(2)
    columns = steps.mean(0).tolist(), steps.std(0).tolist(), lengths.mean(0).tolist()
    return list(zip(*columns, strict=True))


@pytest.mark.parametrize("variant", SCALES)
def test_calibration_and_hold_are_the_written_out_loop(variant):
    bed, scale = Testbed(variant), SCALES[variant]
    norms, report = calibrated(bed)
    by_hand = statistics_by_hand(bed, scale)
    for level, (mean, deviation, length) in zip(norms.levels, by_hand, strict=True):
        assert (level.mean, level.denoised) == (pytest.approx(mean, rel=1e-3), pytest.approx(length, rel=1e-3))
        assert level.deviation == pytest.approx(deviation, rel=1e-2, abs=1e-4)
    assert report.startswith(f"8 ordinary pictures, {STEPS} noise levels") and norms.schedule[-1] == 0
    hold = Hold((level.mean, level.deviation, level.denoised) for level in norms.levels)
    hold.limit = 0.1 * norms.limit
    found = bed.stock(MEMORIZED, model=held(bed.model, norms, 0.1), steps=STEPS)
    expected = torch.cat([euler(bed, MEMORIZED, noise[None], hold, scale)[0] for noise in bed.noise()])
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-3)
    assert (found - bed.stock(MEMORIZED, steps=STEPS)).abs().max() > 8e-3


def test_where_every_step_is_held_every_prediction_has_the_ordinary_norm(testbed):
    norms, lengths = calibrated(testbed)[0], []
    model = held(testbed.model, norms, 0.0)
    model.set_model_sampler_post_cfg_function(
        lambda args: lengths.append(args["denoised"].flatten(1).norm(dim=1)) or args["denoised"]
    )
    testbed.stock(MEMORIZED, model=model, steps=STEPS)
    expected = torch.tensor([[level.denoised] * 2 for level in norms.levels])
    torch.testing.assert_close(torch.stack(lengths), expected, rtol=1e-4, atol=1e-4)


def test_below_the_limit_it_is_stock_bit_for_bit_and_at_stocks_calls(testbed):
    norms, (counted, calls) = calibrated(testbed)[0], testbed.counted()
    plain = testbed.stock(MEMORIZED, model=counted, steps=STEPS)
    stock_calls = calls()
    assert torch.equal(testbed.stock(MEMORIZED, model=held(counted, norms, 100.0), steps=STEPS), plain)
    testbed.stock(MEMORIZED, model=held(counted, norms, 0.0), steps=STEPS)
    assert calls() == 3 * stock_calls


def test_calibration_costs_two_calls_in_each_step_of_every_picture(testbed):
    counted, calls = testbed.counted()
    calibrated(testbed, counted)
    assert calls() == 2 * STEPS * len(PROMPTS) * 2


def test_a_batch_is_its_samples_one_by_one(testbed):
    model = held(testbed.model, calibrated(testbed)[0], 0.5)
    together = testbed.stock(MEMORIZED, model=model, noise=testbed.noise(3), steps=STEPS)
    for place, noise in enumerate(testbed.noise(3)):
        alone = testbed.stock(MEMORIZED, model=model, noise=noise[None], steps=STEPS)[0]
        torch.testing.assert_close(alone, together[place], rtol=0, atol=1e-3)


@pytest.mark.parametrize("sampler", ["heun", "dpm_2", "dpmpp_2m", "dpmpp_sde", "uni_pc", "euler_cfg_pp"])
def test_under_samplers_that_call_more_often_or_elsewhere(testbed, sampler):
    norms = calibrated(testbed, sampler_name=sampler)[0]
    sampled = {"steps": STEPS, "sampler": sampler}
    plain = testbed.stock(MEMORIZED, **sampled)
    assert torch.equal(testbed.stock(MEMORIZED, model=held(testbed.model, norms, 100.0), **sampled), plain)
    found = testbed.stock(MEMORIZED, model=held(testbed.model, norms, 0.0), **sampled)
    assert found.isfinite().all() and not torch.equal(found, plain)


@pytest.mark.parametrize(
    ("run", "message"),
    [
        ({"steps": STEPS + 1}, "calibrate anew"),
        ({"scheduler": "karras"}, "calibrate anew"),
        ({"denoise": 0.5}, "calibrate anew"),
        ({"sampler": "dpm_2"}, "norms know nothing of the noise level|another schedule"),
    ],
)
def test_another_schedule_or_sampler_is_refused(testbed, run, message):
    model = held(testbed.model, calibrated(testbed)[0])
    with pytest.raises(ValueError, match=message):
        testbed.stock(MEMORIZED, model=model, **{"steps": STEPS, **run})


def test_another_size_is_refused():
    bed, other = Testbed("eps"), Testbed("learned")
    norms = calibrated(bed)[0]._replace(shape=(4, 64, 64))
    with pytest.raises(ValueError, match="norms are of latents of 4x64x64, and this one has 3x16x16"):
        bed.stock(MEMORIZED, model=held(bed.model, norms), steps=STEPS)
    assert calibrated(other)[0].shape == tuple(other.model.model.process_latent_in(torch.zeros(1, 3, 16, 16)).shape[1:])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"prompts": ("", " ")}, "ordinary_prompts is empty"),
        ({"prompts": PROMPTS[:1]}, "make 2 picture"),
        ({"cfg": float("nan")}, "cfg is nan"),
        ({"sampler_name": "dpm_adaptive"}, "sampler_name is dpm_adaptive"),
        ({"latent_image": {"samples": torch.zeros(2, 3, 16, 16)}}, "latent_image holds 2 images"),
    ],
)
def test_what_is_wrong_is_said(testbed, changes, message):
    with pytest.raises(ValueError, match=message):
        calibrated(testbed, **changes)


def test_a_limit_that_is_none_is_refused(testbed):
    with pytest.raises(ValueError, match="limit is nan"):
        held(testbed.model, calibrated(testbed)[0], float("nan"))


def test_with_a_static_transition_and_a_deep_copy(testbed):
    """Before the transition it is zero guidance, from there on the held prediction; a patch's place does not matter."""
    settings, norms = Settings("static", "zero guidance", static_percent=0.5), calibrated(testbed)[0]
    one = patch_model(held(testbed.model, norms, 0.0), settings, GuidanceTrace())
    samples = testbed.stock(MEMORIZED, model=one, steps=STEPS)
    never = patch_model(held(testbed.model, norms, 0.0), Settings("never"), GuidanceTrace())
    plain = patch_model(testbed.model, Settings("never"), GuidanceTrace())
    assert torch.equal(*(testbed.stock(MEMORIZED, model=model, steps=STEPS) for model in (never, plain)))
    if WrappersMP is not None:
        other = held(patch_model(testbed.model, settings, GuidanceTrace()), norms, 0.0)
        assert torch.equal(testbed.stock(MEMORIZED, model=other, steps=STEPS), samples)
    one.model_options = copy.deepcopy(one.model_options)
    assert torch.equal(testbed.stock(MEMORIZED, model=one, steps=STEPS), samples)
