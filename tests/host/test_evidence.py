"""Detect Memorization and Estimate Static Transition Point on the testbed."""

import comfy.samplers
import pytest
import torch
from basin_escape.benchmarks.measure import (
    MEMORIZED_CAPTIONS,
    NODES,
    ORDINARY_CAPTIONS,
    WIDGETS,
    GuidanceTrace,
    measure,
)
from basin_escape.nodes.estimate import EstimateStaticTransition
from basin_escape.plots.mean_norms import NONE, draw_norms
from basin_escape.samplers.guidance import rms
from basin_escape.samplers.static_point import mean_curve, static_transition, zero_guidance_norms

from .conftest import MEMORIZED, ORDINARY, SEED

SAMPLERS = comfy.samplers.KSampler.SAMPLERS


def detect(testbed, prompt=MEMORIZED, **changes):
    arguments = {
        "model": testbed.model,
        "positive": testbed.encode(prompt),
        "negative": testbed.encode(""),
        "latent_image": testbed.latent(1),
        "seed": SEED,
        "n_seeds": 4,
        "steps": 1,
        "threshold": 0.01,
        **{name: WIDGETS[name] for name in ("sampler_name", "scheduler", "cfg")},
        **changes,
    }
    return NODES["DetectMemorization"]().detect(**arguments)


def test_every_memorized_prompt_is_told_from_every_ordinary_one(testbed):
    assert all(detect(testbed, prompt)[0] for prompt in MEMORIZED_CAPTIONS)
    assert not any(detect(testbed, prompt)[0] for prompt in ORDINARY_CAPTIONS)


@pytest.mark.parametrize("steps", [1, 3])
def test_the_score_is_the_mean_norm_of_ksamplers_first_steps(any_testbed, steps):
    """Of the same starts, and of the same 50 steps under plain CFG."""
    widgets = {**WIDGETS, "transition": "off"}
    inputs = {"positive": any_testbed.encode(MEMORIZED), "negative": any_testbed.encode("")}
    _, trace = NODES["BasinEscapeKSampler"]().sample(
        model=any_testbed.model, seed=SEED, latent_image=any_testbed.latent(4), **inputs, **widgets
    )
    run = trace.runs[0]
    expected = rms(run.series["guidance_norm"][:steps], run.elements).mean().item()
    memorized, score, report, threshold = detect(any_testbed, steps=steps)
    assert score == pytest.approx(expected, rel=1e-5) and threshold == 0.01 and memorized
    assert f"score: {expected:.4f} RMS ({expected * 768**0.5:.2f} L2)" in report
    assert report.startswith("memorized\n") and report.count("\nt = ") == steps and "\nt = 1000: " in report


@pytest.mark.parametrize("sampler", [name for name in SAMPLERS if name != "dpm_adaptive"])
def test_one_step_costs_one_pair_of_calls_per_start(testbed, sampler):
    counted, calls = testbed.counted()
    score = detect(testbed, model=counted, n_seeds=3, sampler_name=sampler)[1]
    assert calls() == 2 * 3
    assert score == pytest.approx(detect(testbed, n_seeds=3)[1], rel=0.05)  # dpm_2 and uni_pc begin a little later


def test_calibration_costs_one_pair_per_start_of_every_prompt(testbed):
    counted, calls = testbed.counted()
    detect(testbed, model=counted, n_seeds=2, ordinary_prompts="red circle\n\n blue ring \n", clip=testbed.clip)
    assert calls() == (1 + 2) * 2 * 2


def test_the_calibrated_threshold_lets_ordinary_prompts_pass(testbed):
    half, other = ORDINARY_CAPTIONS[::2], ORDINARY_CAPTIONS[1::2]
    calibration = {"ordinary_prompts": "\n".join(half), "clip": testbed.clip}
    memorized, score, report, threshold = detect(testbed, **calibration)
    assert memorized and threshold < score and "99th percentile of 12 ordinary prompts" in report
    norms = torch.tensor([detect(testbed, prompt, n_seeds=1)[1] for prompt in half])
    assert norms.median() < threshold < 1.5 * norms.max()
    assert not any(detect(testbed, prompt, threshold=1.1 * threshold)[0] for prompt in other)
    assert detect(testbed, ORDINARY, **calibration)[3] == threshold


def test_the_score_does_not_need_cfg(testbed):
    assert detect(testbed, cfg=1.0)[1] == pytest.approx(detect(testbed)[1], rel=1e-6)


def test_two_passes_show_the_trend_under_cfg(testbed):
    _, score, report, _ = detect(testbed, steps=50, n_seeds=2)
    assert report.count("\nt = ") == 50
    assert score < detect(testbed)[1]  # here, unlike in the paper's Figure 9, the norm falls under CFG


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ordinary_prompts": "red circle"}, "ordinary_prompts needs a text encoder: connect `clip`"),
        ({"latent_image": {"samples": torch.zeros(3, 3, 16, 16)}}, "latent_image holds 3 images"),
        ({"sampler_name": "dpm_adaptive"}, "sampler_name is dpm_adaptive.*Choose another"),
        ({"positive": []}, "positive is an empty conditioning"),
        ({"cfg": float("inf")}, "cfg is inf"),
    ],
)
def test_bad_input_is_refused_before_sampling(testbed, changes, message):
    counted, calls = testbed.counted()
    with pytest.raises(ValueError, match=message):
        detect(testbed, model=counted, **changes)
    assert calls() == 0


def test_a_prompt_that_begins_later_cannot_be_judged(testbed):
    late = [[cond, {**extra, "start_percent": 0.5}] for cond, extra in testbed.encode(MEMORIZED)]
    with pytest.raises(ValueError, match=r"no guidance to look at.*Timestep Range"):
        detect(testbed, positive=late)


TOLERANCE = EstimateStaticTransition.INPUT_TYPES()["required"]["tolerance"][1]["default"]
ZERO_GUIDANCE = {"transition": "static", "static_percent": 1.0}


@pytest.fixture(scope="module")
def unguided():
    """Runs of memorized and of ordinary captions under zero guidance, two starts each."""
    captions = {"memorized": MEMORIZED_CAPTIONS, "ordinary": ORDINARY_CAPTIONS[:16]}
    return {kind: GuidanceTrace(measure(prompts, 2, **ZERO_GUIDANCE).runs) for kind, prompts in captions.items()}


def test_the_static_point_of_memorized_captions_ends_the_copies(unguided):
    percent, plot = EstimateStaticTransition().estimate(unguided["memorized"], TOLERANCE)["result"]
    assert plot.shape == (1, 768, 768, 3)
    assert 0.45 < percent < 0.65
    mitigated = measure(MEMORIZED_CAPTIONS[:8], 2, transition="static", static_percent=percent)
    assert mitigated.copy_rate < 0.1 and mitigated.mean_alignment > 0.35  # 0.21 by chance
    # It begins with the first step in which the norms are one.
    norms = zero_guidance_norms(unguided["memorized"].runs)
    step = mitigated.runs[0].transition_step[0]
    gap = mean_curve(norms.gap)
    apart = (gap.mean > TOLERANCE * gap.mean.max()) & (gap.mean > gap.band)
    assert apart[step - 1] and not apart[step:].any()


def test_ordinary_captions_have_none(unguided, caplog):
    percent, _ = EstimateStaticTransition().estimate(unguided["ordinary"], TOLERANCE)["result"]
    assert percent == 0.0 and "no static transition point" in caplog.text


def test_the_plot_says_what_was_found(unguided):
    for kind, runs in unguided.items():
        norms = zero_guidance_norms(runs.runs)
        percent = static_transition(norms, TOLERANCE)
        predictions, gap, guidance = draw_norms(norms, percent, TOLERANCE).axes
        assert (NONE in predictions.get_title()) == (kind == "ordinary") and "32 images" in predictions.get_title()
        assert guidance.get_xlim() == (1000, 0)
        curves = [line for axes in (predictions, gap, guidance) for line in axes.lines if len(line.get_xdata()) == 50]
        expected = (norms.conditional, norms.unconditional, norms.gap, norms.guidance)
        for curve, values in zip(curves, expected, strict=True):
            assert curve.get_ydata() == pytest.approx(values.mean(1).numpy())
        if percent is not None:
            marks = [line.get_xdata()[0] for line in guidance.lines if len(line.get_xdata()) == 2]
            assert marks == [1000 * (1 - percent)]


def test_an_estimate_needs_runs():
    with pytest.raises(ValueError, match="trace has no runs"):
        EstimateStaticTransition().estimate(GuidanceTrace(), TOLERANCE)
