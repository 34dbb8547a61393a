"""A run's state begins and ends with it, and what outlives it is numbers."""

import gc
import weakref

import comfy.samplers
import pytest
import torch
from basin_escape.samplers.host.guider import BasinEscapeCFGGuider
from basin_escape.samplers.host.patch import patch_model
from basin_escape.samplers.settings import Settings
from basin_escape.samplers.trace import RUNS_KEPT, GuidanceTrace

from .conftest import MEMORIZED, OTHER, run_guider

SETTINGS = Settings("dynamic", "opposite guidance", latest_percent=0.8)


def fresh(testbed, **options):
    return testbed.stock(MEMORIZED, model=patch_model(testbed.model, SETTINGS, GuidanceTrace()), **options)


class Interrupted(Exception):
    pass


def interrupt_after(model, calls):
    """A clone of the model that raises at the given call."""
    made = 0

    def wrapper(apply_model, args):
        nonlocal made
        made += 1
        if made == calls:
            raise Interrupted
        return apply_model(args["input"], args["timestep"], **args["c"])

    interrupted = model.clone()
    interrupted.set_model_unet_function_wrapper(wrapper)
    return interrupted


def test_a_patched_model_sampled_twice_gives_the_same_twice(testbed):
    patched = patch_model(testbed.model, SETTINGS, trace := GuidanceTrace())
    first, second = (testbed.stock(MEMORIZED, model=patched, steps=20) for _ in range(2))
    assert torch.equal(first, second) and torch.equal(first, fresh(testbed, steps=20))
    assert len(trace.runs) == 2
    assert torch.equal(trace.runs[0].quantity("guidance_norm"), trace.runs[1].quantity("guidance_norm"))


@pytest.mark.parametrize("denoise", [1.0, 0.5])
@pytest.mark.parametrize("calls", [1, 4, 11])
def test_an_interrupted_run_leaves_the_next_one_untouched(testbed, calls, denoise):
    patched = patch_model(testbed.model, SETTINGS, GuidanceTrace())
    with pytest.raises(Interrupted):
        testbed.stock(MEMORIZED, model=interrupt_after(patched, calls), steps=20)
    samples = testbed.stock(MEMORIZED, model=patched, steps=20, denoise=denoise)
    assert torch.equal(samples, fresh(testbed, steps=20, denoise=denoise))


@pytest.mark.parametrize(
    "runs",
    [
        [{"steps": 20}, {"steps": 8}],
        [{"steps": 20}, {"steps": 10, "denoise": 0.5}, {"steps": 20, "denoise": 0.9}],
        [{"steps": 10, "denoise": 0.5}, {"steps": 20}],
        [{"steps": 20, "batch": 1}, {"steps": 20, "batch": 3}],
        [{"steps": 20, "sampler": "heun"}, {"steps": 20, "sampler": "dpmpp_2m"}],
    ],
)
def test_two_samplers_that_share_a_patched_model_do_not_meet(testbed, runs):
    patched = patch_model(testbed.model, SETTINGS, GuidanceTrace())
    for options in runs:
        assert torch.equal(testbed.stock(MEMORIZED, model=patched, **options), fresh(testbed, **options))


def test_a_clone_of_a_patched_model_records_into_the_same_trace(testbed):
    patched = patch_model(testbed.model, SETTINGS, trace := GuidanceTrace())
    assert torch.equal(testbed.stock(MEMORIZED, model=patched.clone()), fresh(testbed))
    assert len(trace.runs) == 1


def test_two_patches_in_a_row_do_not_share_a_run(testbed):
    """The second one sees the first one's result as its host's: both mitigate."""
    early, late = Settings("static", static_percent=0.2), Settings("static", static_percent=0.6)
    once = patch_model(testbed.model, late, GuidanceTrace())
    first, second = GuidanceTrace(), GuidanceTrace()
    twice = patch_model(patch_model(testbed.model, early, first), late, second)
    assert torch.equal(testbed.stock(MEMORIZED, model=twice), testbed.stock(MEMORIZED, model=once))
    assert [trace.runs[0].steps for trace in (first, second)] == [12, 12]


def test_the_model_that_was_handed_in_is_not_changed(testbed):
    before = dict(testbed.model.model_options)
    patch_model(testbed.model, SETTINGS, GuidanceTrace())
    assert testbed.model.model_options == before


def test_the_guider_keeps_nothing_between_runs(testbed):
    guider = BasinEscapeCFGGuider(testbed.model, SETTINGS, GuidanceTrace())
    before = set(vars(guider))
    guider.set_conds(testbed.encode(MEMORIZED), testbed.encode(OTHER))
    guider.set_cfg(7.5)
    first = sample(guider, testbed)
    assert set(vars(guider)) == before
    guider.model_patcher = interrupt_after(testbed.model, 3)
    guider.model_options = guider.model_patcher.model_options
    with pytest.raises(Interrupted):
        sample(guider, testbed)
    assert "hooks" not in vars(guider) and len(guider.trace.runs) == 1
    guider.model_patcher, guider.model_options = testbed.model, testbed.model.model_options
    assert torch.equal(sample(guider, testbed), first)


def test_the_trace_is_bounded_and_holds_numbers_only(testbed):
    patched = patch_model(testbed.model, SETTINGS, trace := GuidanceTrace())
    for steps in range(1, RUNS_KEPT + 3):
        samples = testbed.stock(MEMORIZED, model=patched, steps=steps)
    assert [run.steps for run in trace.runs] == list(range(3, RUNS_KEPT + 3))
    for run in trace.runs:
        assert {values.shape for values in run.series.values()} == {(run.steps, len(samples))}
        assert run.transition_step.shape == run.gated.shape == (len(samples),)


def test_a_finished_run_lets_its_latents_go(testbed):
    """Everything that the hook was handed is gone once the run is over, while patch and trace live on."""
    seen = []

    def spy(args):
        seen.extend(weakref.ref(args[name]) for name in ("input", "denoised", "cond_denoised", "uncond_denoised"))
        return args["denoised"]

    patched = patch_model(testbed.model, SETTINGS, GuidanceTrace())
    patched.set_model_sampler_post_cfg_function(spy)
    testbed.stock(MEMORIZED, model=patched)
    gc.collect()
    assert len(seen) == 48 and not any(reference() is not None for reference in seen)


def sample(guider, testbed, steps=12):
    return run_guider(guider, testbed.noise(), steps)


def said_once(caplog):
    return sum("no guidance to switch" in message for message in caplog.messages) == 1


def test_a_guider_without_a_negative_prompt_passes_through_and_says_so_once(testbed, caplog):
    basic = comfy.samplers.CFGGuider(patch_model(testbed.model, SETTINGS, trace := GuidanceTrace()))
    basic.inner_set_conds({"positive": testbed.encode(MEMORIZED)})
    assert torch.equal(sample(basic, testbed), testbed.stock(MEMORIZED, cfg=1.0))
    assert trace.runs == [] and said_once(caplog)


def test_off_at_cfg_1_has_nothing_to_record_and_says_so_once(testbed, caplog):
    samples, run = testbed.guided(Settings("off"), MEMORIZED, cfg=1.0)
    assert torch.equal(samples, testbed.stock(MEMORIZED, cfg=1.0))
    assert run is None and said_once(caplog)


@pytest.mark.parametrize("by", ["patch", "guider", "guider with an empty prompt", "guider that skips"])
@pytest.mark.parametrize("limited", ["positive", "negative"])
def test_where_a_prompt_is_out_of_its_range_the_host_decides(testbed, by, limited, caplog):
    """A prompt for the first 30 percent only, mitigation throughout: 4 of 12 steps have guidance."""
    never, trace = Settings("static", static_percent=1.0), GuidanceTrace()
    seen = []

    def spy(args):
        seen.append((args["sigma"][0].item(), args["denoised"]))
        return args["denoised"]

    model = testbed.model.clone()
    model.set_model_sampler_post_cfg_function(spy)
    if by == "patch":
        guider = comfy.samplers.CFGGuider(patch_model(model, never, trace))
    else:
        guider = BasinEscapeCFGGuider(model, never, trace, skip_unused_pass="skips" in by)
    prompts = {"positive": testbed.encode(MEMORIZED), "negative": testbed.encode("")}
    if by == "guider with an empty prompt":
        prompts["unconditional"] = prompts["negative"]
    early = {"start_percent": 0.0, "end_percent": 0.3}
    changed = "unconditional" if limited == "negative" and "unconditional" in prompts else limited
    prompts[changed] = [[cond, {**extra, **early}] for cond, extra in prompts[changed]]
    guider.set_conds(**prompts)
    guider.set_cfg(1.5)
    samples = sample(guider, testbed)
    assert trace.runs[0].steps == 4 and said_once(caplog)
    # Euler's last step ends on the last prediction: the host's own, which nothing has touched.
    torch.testing.assert_close(samples, 2 * seen[-1][1], rtol=0, atol=1e-5)
