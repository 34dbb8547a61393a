"""How often the model is asked: never more than stock, less where a pass is not used."""

import comfy.samplers
import pytest
import torch
from basin_escape.samplers.host.guider import BasinEscapeCFGGuider
from basin_escape.samplers.host.patch import WrappersMP, patch_model
from basin_escape.samplers.settings import Settings
from basin_escape.samplers.trace import GuidanceTrace

from .conftest import MEMORIZED, OTHER

BATCH = 2


def calls_per_sample(testbed, settings, steps=50, **options):
    counted, calls = testbed.counted()
    samples, run = testbed.guided(settings, MEMORIZED, model=counted, batch=BATCH, steps=steps, **options)
    return calls() / BATCH, samples, run


@pytest.mark.parametrize("sampler", ["euler", "heun", "dpmpp_sde"])
@pytest.mark.parametrize("transition", ["off", "dynamic", "static"] + ["escape"] * (WrappersMP is not None))
def test_patch_and_guider_call_as_often_as_stock(testbed, sampler, transition):
    plain, plain_calls = testbed.counted()
    testbed.stock(MEMORIZED, model=plain, sampler=sampler)
    counted, patch_calls = testbed.counted()
    testbed.stock(MEMORIZED, model=patch_model(counted, Settings(transition), GuidanceTrace()), sampler=sampler)
    assert patch_calls() == plain_calls()
    assert calls_per_sample(testbed, Settings(transition), 12, sampler=sampler)[0] == plain_calls() / BATCH


@pytest.mark.parametrize("before", ["zero guidance", "conditional only"])
def test_a_static_transition_may_skip_the_unused_pass(testbed, before):
    settings = Settings("static", before, static_percent=0.5)
    full, expected, _ = calls_per_sample(testbed, settings)
    calls, samples, run = calls_per_sample(testbed, settings, skip=True)
    assert (full, calls) == (100, 75)
    torch.testing.assert_close(samples, expected, rtol=0, atol=2e-3)
    gap = run.quantity("guidance_norm").isnan().all(1)
    assert gap.tolist() == [True] * 25 + [False] * 25
    assert run.transition_step.tolist() == [25] * BATCH


def test_skipping_keeps_what_cfg_pp_samplers_step_with(testbed):
    settings = Settings("static", static_percent=0.5)
    full, expected, _ = calls_per_sample(testbed, settings, 20, sampler="euler_cfg_pp")
    calls, samples, _ = calls_per_sample(testbed, settings, 20, sampler="euler_cfg_pp", skip=True)
    assert (full, calls) == (40, 30)
    torch.testing.assert_close(samples, expected, rtol=0, atol=2e-3)
    conditional = Settings("static", "conditional only", static_percent=0.5)
    assert calls_per_sample(testbed, conditional, 20, sampler="euler_cfg_pp", skip=True)[0] == 40


@pytest.mark.parametrize("settings", [Settings("dynamic"), Settings("static", "opposite guidance"), Settings("off")])
def test_nothing_is_skipped_where_both_predictions_are_used(testbed, settings):
    assert calls_per_sample(testbed, settings, 12, skip=True)[0] == 24


def test_the_gate_of_a_static_transition_needs_both_predictions_once(testbed):
    mitigated = Settings("static", memorization_threshold=0.001)
    assert calls_per_sample(testbed, mitigated, 50, skip=True)[0] == 76
    gated = Settings("static", memorization_threshold=0.9)
    assert calls_per_sample(testbed, gated, 50, skip=True)[0] == 100


def conditioning_seen(testbed, settings, **options):
    """What patches are told of every model call: 0 for the positive prompt, 1 for the negative one."""
    seen = []

    def wrapper(apply_model, args):
        seen.append(sorted(args["cond_or_uncond"]))
        return apply_model(args["input"], args["timestep"], **args["c"])

    model = testbed.model.clone()
    model.set_model_unet_function_wrapper(wrapper)
    testbed.guided(settings, MEMORIZED, model=model, batch=1, **options)
    return seen


def test_an_unguided_pass_is_never_taken_for_the_positive_prompt(testbed):
    """Image prompts and attention patches act on the positive one: they must not reach the unguided picture."""
    assert conditioning_seen(testbed, Settings("static"), skip=True) == [[1]] * 6 + [[0, 1]] * 6
    conditional = Settings("static", "conditional only")
    assert conditioning_seen(testbed, conditional, skip=True) == [[0]] * 6 + [[0, 1]] * 6
    gated = Settings(memorization_threshold=0.9)
    third = conditioning_seen(testbed, gated, negative=OTHER, unconditional="")
    assert third == [[1]] + [[0, 1]] * 12  # nodes that remember the last negative pass meet stock's own


def both_predictions(args):
    """What another node that works on both predictions may put in the host's place."""
    if "conds_out" in args:
        return args["conds_out"]
    return comfy.samplers.calc_cond_batch(
        *(args[name] for name in ("model", "conds", "input", "sigma", "model_options"))
    )


@pytest.mark.parametrize("key", ["sampler_pre_cfg_function", "sampler_calc_cond_batch_function"])
def test_nothing_is_skipped_while_another_node_works_on_both_predictions(testbed, key):
    counted, calls = testbed.counted()
    counted.model_options[key] = [both_predictions] if "pre_cfg" in key else both_predictions
    testbed.guided(Settings("static"), MEMORIZED, model=counted, skip=True)
    assert calls() == 2 * 24


def test_the_trace_follows_a_scale_that_changes_while_sampling(testbed):
    guider = BasinEscapeCFGGuider(testbed.model, Settings("off"), GuidanceTrace())
    guider.set_conds(testbed.encode(MEMORIZED), testbed.encode(""))
    guider.set_cfg(7.5)
    sigmas = comfy.samplers.KSampler(testbed.model, 6, "cpu", "euler", "normal").sigmas
    guider.sample(
        testbed.noise(),
        testbed.latent()["samples"],
        comfy.samplers.sampler_object("euler"),
        sigmas,
        callback=lambda step, *_: guider.set_cfg(3.0) if step == 2 else None,
        disable_pbar=True,
    )
    assert guider.trace.runs[0].quantity("scale")[:, 0].tolist() == [7.5] * 3 + [3.0] * 3


def test_the_empty_prompt_is_known_as_a_negative_one(testbed):
    empty = testbed.encode("")
    guider = BasinEscapeCFGGuider(testbed.model, Settings(), GuidanceTrace())
    guider.set_conds(testbed.encode(MEMORIZED), testbed.encode(OTHER), empty)
    assert guider.original_conds["unconditional"][0]["prompt_type"] == "negative"
    assert "prompt_type" not in empty[0][1]


class TestThirdPass:
    """The unconditional conditioning beside a negative prompt."""

    options = {"negative": OTHER, "unconditional": ""}

    def test_a_static_transition_needs_none(self, testbed):
        assert calls_per_sample(testbed, Settings("static"), **self.options)[0] == 100
        assert calls_per_sample(testbed, Settings("static"), skip=True, **self.options)[0] == 75

    def test_off_needs_none(self, testbed):
        assert calls_per_sample(testbed, Settings("off"), **self.options)[0] == 100

    def test_a_dynamic_transition_needs_one_where_samples_differ(self, testbed, settings):
        calls, _, run = calls_per_sample(testbed, settings, **self.options)
        first, last = run.transition_step.min().item(), run.transition_step.max().item()
        assert 0 < first < last
        assert calls == 100 + (last - first) + 1

    def test_a_deadline_for_all_needs_one(self, testbed):
        # No sample can have a minimum in the first two observations.
        calls, _, run = calls_per_sample(testbed, Settings(latest_percent=0.02), **self.options)
        assert run.transition_step.tolist() == [1] * BATCH
        assert calls == 100 + 1

    def test_a_gate_needs_one_where_it_decides(self, testbed):
        assert calls_per_sample(testbed, Settings(memorization_threshold=0.9), **self.options)[0] == 100 + 1


def test_before_the_transition_the_negative_prompt_has_no_say(testbed):
    never = Settings("static", static_percent=1.0)
    opposite = Settings("static", "opposite guidance", static_percent=1.0)
    for settings in (never, opposite):
        one, _ = testbed.guided(settings, MEMORIZED, negative=OTHER, unconditional="")
        other, _ = testbed.guided(settings, MEMORIZED, negative="blue cross", unconditional="")
        empty, _ = testbed.guided(settings, MEMORIZED, negative="")
        assert torch.equal(one, other) and torch.equal(one, empty)


@pytest.mark.parametrize("sampler", ["euler", "euler_cfg_pp"])
def test_after_the_transition_the_negative_prompt_counts(testbed, sampler):
    settings = Settings("static", static_percent=0.2)
    one, _ = testbed.guided(settings, MEMORIZED, negative=OTHER, unconditional="", sampler=sampler)
    other, _ = testbed.guided(settings, MEMORIZED, negative="blue cross", unconditional="", sampler=sampler)
    assert (one - other).abs().amax((1, 2, 3)).min() > 0.01


@pytest.mark.parametrize("sampler", ["euler", "euler_cfg_pp"])
def test_the_transition_does_not_depend_on_the_negative_prompt(testbed, settings, sampler):
    options = {"steps": 30, "sampler": sampler}
    one, run = testbed.guided(settings, MEMORIZED, negative=OTHER, unconditional="", **options)
    other, same = testbed.guided(settings, MEMORIZED, negative="blue cross", unconditional="", **options)
    _, empty = testbed.guided(settings, MEMORIZED, negative="", **options)
    assert torch.equal(run.transition_step, same.transition_step)
    assert torch.equal(run.transition_step, empty.transition_step)
    first = run.transition_step[run.transition_step > 0].min() + 1
    curves = [trace.quantity("guidance_norm")[:first] for trace in (run, same, empty)]
    assert torch.equal(curves[0], curves[1]) and torch.equal(curves[0], curves[2])
    assert not torch.equal(one, other)


def test_a_batch_with_a_negative_prompt_is_its_samples_one_by_one(testbed, settings):
    options = {"negative": OTHER, "unconditional": "", "steps": 30}
    samples, run = testbed.guided(settings, MEMORIZED, batch=4, **options)
    assert len(run.transition_step.unique()) > 1
    for sample, noise in enumerate(testbed.noise(4)):
        alone, run_alone = testbed.guided(settings, MEMORIZED, noise=noise[None], **options)
        assert run_alone.transition_step.item() == run.transition_step[sample]
        torch.testing.assert_close(samples[sample], alone[0], rtol=0, atol=5e-3)


def test_with_an_empty_prompt_the_norm_is_that_of_the_untouched_predictions(testbed, settings):
    """Other nodes' hooks on the predictions act on the pair alone: a third pass must not change what is watched."""
    hooked = testbed.model.clone()
    hooked.set_model_sampler_pre_cfg_function(lambda args: [args["conds_out"][0], 0.8 * args["conds_out"][1]])
    options = {"model": hooked, "negative": OTHER, "unconditional": "", "steps": 30}
    _, run = testbed.guided(settings, MEMORIZED, batch=4, **options)
    assert len(run.transition_step.unique()) > 1
    for sample, noise in enumerate(testbed.noise(4)):
        _, alone = testbed.guided(settings, MEMORIZED, noise=noise[None], **options)
        assert alone.transition_step.item() == run.transition_step[sample]


def test_beside_a_patch_no_pass_is_skipped(testbed):
    """The patch works on both predictions, as other nodes before CFG do."""
    patched = patch_model(testbed.model, Settings("off"), trace := GuidanceTrace())
    samples, _ = testbed.guided(Settings("static"), MEMORIZED, model=patched, skip=True)
    assert torch.equal(samples, testbed.guided(Settings("static"), MEMORIZED)[0])
    assert trace.runs[0].steps == 12 and (trace.runs[0].quantity("guidance_norm")[0] > 0).all()
