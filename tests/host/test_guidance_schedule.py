"""A scheduled guidance scale on ComfyUI's sampling library."""

import copy
from itertools import pairwise

import comfy.samplers
import pytest
import torch
from basin_escape.benchmarks.measure import NODES
from basin_escape.samplers.guidance_schedule import SHAPES, GuidanceSchedule
from basin_escape.samplers.host.patch import patch_model
from basin_escape.samplers.host.scale_in_force import WrappersMP, schedule_guidance
from basin_escape.samplers.schedule import TimestepScale
from basin_escape.samplers.settings import Settings
from basin_escape.samplers.trace import GuidanceTrace

from .conftest import MEMORIZED, run_guider

CFG = 7.5
SETS_THE_SCALE = hasattr(WrappersMP, "PREDICT_NOISE")
SAMPLERS = ["euler", "heun", "dpmpp_2m", "euler_cfg_pp"]


def written_out(testbed, scale, steps=12, batch=2):
    """Euler by hand under scale(tau)."""
    model, x = testbed.model.model, testbed.noise(batch)
    timestep = TimestepScale(model.model_sampling.percent_to_sigma)
    sigmas = comfy.samplers.KSampler(testbed.model, steps, "cpu", "euler", "normal").sigmas
    x = model.model_sampling.noise_scaling(sigmas[0], x, torch.zeros_like(x), True)
    contexts = [testbed.encode(prompt)[0][0].expand(batch, -1, -1) for prompt in (MEMORIZED, "")]
    for sigma, following in pairwise(sigmas):
        options = {"sigmas": sigma[None]}
        cond, uncond = (
            model.apply_model(x, sigma.expand(batch), c_crossattn=context, transformer_options=options)
            for context in contexts
        )
        denoised = uncond + scale(timestep(sigma.item()) / 1000) * (cond - uncond)
        x = x + (x - denoised) / sigma * (following - sigma)
    return model.process_latent_out(model.model_sampling.inverse_noise_scaling(sigmas[-1], x))


def scheduled(testbed, *settings, model=None, **options):
    model = schedule_guidance(model or testbed.model, GuidanceSchedule(*settings))
    return testbed.stock(MEMORIZED, model=model, cfg=CFG, **options)


def test_it_is_the_written_out_loop(any_testbed):
    expected = written_out(any_testbed, lambda tau: CFG * 2 * (1 - tau))
    torch.testing.assert_close(scheduled(any_testbed, "increasing"), expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("shape", sorted(SHAPES))
def test_every_shape_is(testbed, shape):
    expected = written_out(testbed, lambda tau: CFG * SHAPES[shape](tau), steps=6, batch=1)
    samples = scheduled(testbed, shape, steps=6, batch=1)
    torch.testing.assert_close(samples, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("outside", [0.0, 1.0, 3.0])
def test_an_interval_is_the_written_out_loop(testbed, outside):
    expected = written_out(testbed, lambda tau: CFG if 0.3 < tau <= 0.8 else outside)
    samples = scheduled(testbed, "constant", 0.0, 0.2, 0.7, outside)
    torch.testing.assert_close(samples, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_constant_schedule_is_stock_bit_for_bit_at_stocks_calls(testbed, sampler):
    counted, calls = testbed.counted()
    plain = testbed.stock(MEMORIZED, model=counted, sampler=sampler, cfg=CFG)
    stock_calls = calls()
    assert torch.equal(scheduled(testbed, "constant", model=counted, sampler=sampler), plain)
    scheduled(testbed, "increasing", model=counted, sampler=sampler)
    assert calls() == 3 * stock_calls


def test_outside_at_1_saves_the_negative_pass(testbed):
    counted, calls = testbed.counted()
    scheduled(testbed, "constant", 0.0, 0.5, 1.0, 1.0, model=counted)
    halves = 2 * 12, 2 * 2 * 12
    assert halves[0] < calls() < halves[1] if SETS_THE_SCALE else calls() == halves[1]


@pytest.mark.parametrize("shape", ["dip mid"])
def test_a_batch_is_its_samples_one_by_one(testbed, shape):
    together = scheduled(testbed, shape, batch=3, noise=testbed.noise(3))
    for sample, noise in zip(together, testbed.noise(3), strict=True):
        torch.testing.assert_close(scheduled(testbed, shape, noise=noise[None])[0], sample, rtol=0, atol=1e-4)


def test_two_in_a_row_multiply(testbed):
    model = schedule_guidance(testbed.model, GuidanceSchedule("increasing"))
    expected = written_out(testbed, lambda tau: CFG * 2 * (1 - tau) * (1 - torch.tensor(torch.pi * tau).cos().item()))
    torch.testing.assert_close(scheduled(testbed, "falling cosine", model=model), expected, rtol=0, atol=1e-3)


@pytest.mark.parametrize("scheduled_last", [True, False])
@pytest.mark.parametrize("transition", ["static", "dynamic", "never"])
def test_with_a_transition_the_scale_counts_after_it(testbed, scheduled_last, transition):
    settings = Settings(transition, "zero guidance", static_percent=0.4, latest_percent=0.9)
    schedule, trace = GuidanceSchedule("decreasing"), GuidanceTrace()
    if scheduled_last:
        model = schedule_guidance(patch_model(testbed.model, settings, trace), schedule)
    else:
        model = patch_model(schedule_guidance(testbed.model, schedule), settings, trace)
    samples, run = testbed.stock(MEMORIZED, model=model, cfg=CFG), trace.runs[-1]
    guided, own = testbed.guided(settings, MEMORIZED, model=schedule_guidance(testbed.model, schedule), cfg=CFG)
    torch.testing.assert_close(samples, guided, rtol=0, atol=1e-5)
    assert run.transition_step.tolist() == own.transition_step.tolist()
    if transition == "static":
        until = testbed.model.get_model_object("model_sampling").percent_to_sigma(0.4)
        timestep = TimestepScale(testbed.model.get_model_object("model_sampling").percent_to_sigma)
        expected = written_out(testbed, lambda tau: 0.0 if tau * 1000 > timestep(until) + 0.5 else CFG * 2 * tau)
        torch.testing.assert_close(samples, expected, rtol=0, atol=1e-4)
    if SETS_THE_SCALE and transition != "never":
        scales, began = run.quantity("scale")[:, 0], run.transition_step[0]
        torch.testing.assert_close(
            scales, torch.where(torch.arange(12) < began, 0.0, CFG * run.quantity("timestep")[:, 0] / 500)
        )


def test_off_and_constant_leave_the_pack_bit_for_bit_stock(testbed):
    model = patch_model(
        schedule_guidance(testbed.model, GuidanceSchedule("constant")), Settings("off"), GuidanceTrace()
    )
    assert torch.equal(testbed.stock(MEMORIZED, model=model), testbed.stock(MEMORIZED))


def test_a_deep_copy_of_the_options_still_schedules(testbed):
    model = schedule_guidance(testbed.model, GuidanceSchedule("increasing"))
    expected = testbed.stock(MEMORIZED, model=model)
    model.model_options = copy.deepcopy(model.model_options)
    assert torch.equal(testbed.stock(MEMORIZED, model=model), expected)


def test_without_a_negative_prompt_it_passes_through_and_says_so_once(testbed, caplog):
    class Basic(comfy.samplers.CFGGuider):
        def set_conds(self, positive):
            self.inner_set_conds({"positive": positive})

    def sample(model):
        guider = Basic(model)
        guider.set_conds(testbed.encode(MEMORIZED))
        return run_guider(guider, testbed.noise(), 6)

    plain = sample(testbed.model)
    assert torch.equal(sample(schedule_guidance(testbed.model, GuidanceSchedule("dip mid"))), plain)
    assert [record.message for record in caplog.records if "no negative prediction" in record.message].__len__() == 1


@pytest.mark.skipif(not SETS_THE_SCALE, reason="this ComfyUI has no such wrapper")
def test_a_guider_of_two_scales_is_refused_and_the_scale_restored(testbed):
    guider = comfy.samplers.CFGGuider(schedule_guidance(testbed.model, GuidanceSchedule("dip mid")))
    guider.set_conds(testbed.encode(MEMORIZED), testbed.encode(""))
    guider.set_cfg(CFG)
    run_guider(guider, testbed.noise(), 4)
    assert guider.cfg == CFG
    guider.cfg1 = 3.0
    with pytest.raises(ValueError, match="two of them"):
        run_guider(guider, testbed.noise(), 4)


def test_the_node_shows_its_curve_and_names_what_is_wrong(testbed):
    node = NODES["ScheduleGuidance"]()
    (model, plot), ui = (
        (result := node.patch(testbed.model, "rising cosine", 0.0, 0.0, 1.0, 1.0))["result"],
        result["ui"],
    )
    assert plot.shape == (1, 320, 512, 3) and isinstance(ui, dict)
    assert not torch.equal(testbed.stock(MEMORIZED, model=model), testbed.stock(MEMORIZED))
    with pytest.raises(ValueError, match="the interval is empty"):
        node.patch(testbed.model, "constant", 0.0, 0.9, 0.1, 1.0)
