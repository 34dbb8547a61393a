"""Where nothing is mitigated, every bit is stock ComfyUI's."""

import comfy.samplers
import pytest
import torch
from basin_escape.samplers.host.guider import BasinEscapeCFGGuider
from basin_escape.samplers.host.patch import WrappersMP, patch_model
from basin_escape.samplers.settings import Settings
from basin_escape.samplers.trace import GuidanceTrace

from .conftest import MEMORIZED, ORDINARY

SAMPLERS = ("euler", "dpmpp_2m", "heun", "dpmpp_sde", "euler_cfg_pp")
UNTOUCHED = {
    "off": Settings("off"),
    "static percent of 0": Settings("static", "opposite guidance", static_percent=0.0),
    "gated": Settings("dynamic", "opposite guidance", memorization_threshold=0.010),
    "gated, static": Settings("static", memorization_threshold=0.010),
}


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("case", UNTOUCHED)
def test_the_model_patch_is_stock(testbed, case, sampler):
    trace = GuidanceTrace()
    patched = patch_model(testbed.model, UNTOUCHED[case], trace)
    expected = testbed.stock(ORDINARY, sampler=sampler)
    assert torch.equal(testbed.stock(ORDINARY, model=patched, sampler=sampler), expected)
    if case.startswith("gated"):
        assert trace.runs[-1].gated.all()


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("case", UNTOUCHED)
@pytest.mark.parametrize(("negative", "unconditional"), [("", None), ("dusk", "")])
def test_the_guider_is_stock(testbed, case, sampler, negative, unconditional):
    expected = testbed.stock(ORDINARY, negative=negative, sampler=sampler)
    samples, _ = testbed.guided(
        UNTOUCHED[case], ORDINARY, negative=negative, unconditional=unconditional, sampler=sampler
    )
    assert torch.equal(samples, expected)


@pytest.mark.parametrize("cfg", [1.0, 7.5])
def test_off_makes_no_call_more_than_stock(testbed, cfg):
    plain, plain_calls = testbed.counted()
    patched, patched_calls = testbed.counted()
    expected = testbed.stock(MEMORIZED, model=plain, cfg=cfg)
    off = patch_model(patched, Settings("off"), GuidanceTrace())
    assert torch.equal(testbed.stock(MEMORIZED, model=off, cfg=cfg), expected)
    assert patched_calls() == plain_calls() == 2 * 12 * (1 if cfg == 1.0 else 2)
    guided, guided_calls = testbed.counted()
    assert torch.equal(testbed.guided(Settings("off"), MEMORIZED, model=guided, cfg=cfg)[0], expected)
    assert guided_calls() == plain_calls()


@pytest.mark.parametrize("case", ["gated", "static percent of 0"])
def test_at_cfg_1_a_mitigated_model_is_stock_up_to_rounding(testbed, case):
    """Stock leaves out the negative pass there; a mitigated model needs it for its decision."""
    expected = testbed.stock(ORDINARY, cfg=1.0)
    patched = patch_model(testbed.model, UNTOUCHED[case], GuidanceTrace())
    torch.testing.assert_close(testbed.stock(ORDINARY, model=patched, cfg=1.0), expected, rtol=0, atol=1e-3)
    torch.testing.assert_close(testbed.guided(UNTOUCHED[case], ORDINARY, cfg=1.0)[0], expected, rtol=0, atol=1e-3)


def test_one_gated_sample_in_a_batch_is_stock_and_the_other_is_not(testbed):
    # The first-step norms of two start noises differ: a threshold between them gates one of the two.
    _, run = testbed.guided(Settings("off"), MEMORIZED)
    first = run.quantity("guidance_norm")[0] / run.elements**0.5
    settings = Settings("dynamic", memorization_threshold=first.mean().item())
    samples, run = testbed.guided(settings, MEMORIZED)
    stock = testbed.stock(MEMORIZED)
    assert run.gated.tolist() == (first < first.mean()).tolist()
    for sample in range(2):
        assert torch.equal(samples[sample], stock[sample]) == run.gated[sample].item()


@pytest.mark.parametrize("cfg", [1.0, 2.0])
def test_a_run_that_adds_noise_is_stock(testbed, cfg):
    if cfg == 1.0 and WrappersMP is None:
        pytest.skip("this host does not tell the model patch the schedule before the first call")
    sigmas = comfy.samplers.calculate_sigmas(testbed.model.get_model_object("model_sampling"), "normal", 6)[:-1].flip(0)
    results = []
    for guided, patched in ((False, False), (True, False), (False, True)):
        counted, calls = testbed.counted()
        model = patch_model(counted, Settings(), GuidanceTrace()) if patched else counted
        guider = comfy.samplers.CFGGuider(model)
        if guided:
            guider = BasinEscapeCFGGuider(model, Settings(), GuidanceTrace())
        guider.set_conds(testbed.encode(MEMORIZED), testbed.encode(""))
        guider.set_cfg(cfg)
        image = testbed.vae.encode(testbed.memorized[:2])
        euler = comfy.samplers.sampler_object("euler")
        results.append(guider.sample(torch.zeros(2, 3, 16, 16), image, euler, sigmas, disable_pbar=True))
        assert calls() == 2 * 5 * (1 if cfg == 1.0 else 2)
    if WrappersMP is not None:
        assert torch.equal(results[0], results[2])
    assert torch.equal(results[0], results[1])


def momentum(args):
    """A node that remembers the call before in the host's options, and counts the calls there."""
    options, denoised = args["model_options"], args["denoised"]
    before, options["before"] = options.get("before", denoised), denoised
    options["calls"] = options.get("calls", 0) + 1
    return denoised + 0.1 * (denoised - before) * (1 + options["calls"] / 100)


@pytest.mark.parametrize("case", UNTOUCHED)
@pytest.mark.parametrize(("negative", "unconditional"), [("", None), ("dusk", "")])
def test_a_node_that_remembers_the_call_before_remembers_it(testbed, case, negative, unconditional):
    def model():
        fresh = testbed.model.clone()
        fresh.set_model_sampler_post_cfg_function(momentum)
        return fresh

    expected = testbed.stock(ORDINARY, negative=negative, model=model())
    assert not torch.equal(expected, testbed.stock(ORDINARY, negative=negative))
    if not negative:  # against another prompt these images are not gated
        patched = patch_model(model(), UNTOUCHED[case], GuidanceTrace())
        assert torch.equal(testbed.stock(ORDINARY, model=patched), expected)
    options = {"negative": negative, "unconditional": unconditional, "model": model()}
    assert torch.equal(testbed.guided(UNTOUCHED[case], ORDINARY, **options)[0], expected)


def test_a_pass_that_is_left_out_is_remembered_too(testbed):
    calls, model = [], testbed.model.clone()
    model.set_model_sampler_post_cfg_function(momentum)
    model.set_model_sampler_post_cfg_function(
        lambda args: calls.append(args["model_options"]["calls"]) or args["denoised"]
    )
    testbed.guided(Settings("static"), ORDINARY, model=model, skip=True)
    assert calls == list(range(1, 13))
