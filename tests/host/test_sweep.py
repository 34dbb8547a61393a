"""Transition Sweep: every point is the picture that a single run with that static transition gives."""

import comfy.samplers
import pytest
import torch
from basin_escape.benchmarks.measure import MEMORIZED as IMAGES
from basin_escape.benchmarks.measure import NODES, WIDGETS, count_calls, similarity
from basin_escape.nodes import sweep as module
from basin_escape.samplers.guider import BasinEscapeCFGGuider
from basin_escape.tests.support.gaussian import load_gaussian, prompt

from .conftest import MEMORIZED, OTHER, SEED

SAMPLERS = comfy.samplers.KSampler.SAMPLERS
WIDGETS_OF_SWEEP = ("steps", "cfg", "sampler_name", "scheduler", "before_transition", "opposite_scale")


def start(testbed):
    """What the sweep and a single picture have in common."""
    return {
        "model": testbed.model,
        "positive": testbed.encode(MEMORIZED),
        "negative": testbed.encode(""),
        "latent_image": testbed.latent(1),
        "seed": SEED,
    }


def gaussian_start():
    """Another model, whose arithmetic does not depend on the batch."""
    return {
        "model": load_gaussian((3, 16, 16)),
        "positive": prompt(0.7),
        "negative": prompt(-0.2),
        "latent_image": {"samples": torch.zeros(1, 3, 16, 16)},
    }


def sweep(testbed, **changes):
    """Returns latents, the run and labels; `changes` override the demo's widgets."""
    arguments = {
        **start(testbed),
        **{name: WIDGETS[name] for name in WIDGETS_OF_SWEEP},
        "points": 4,
        "first_percent": 0.2,
        "last_percent": 0.8,
        **changes,
    }
    latents, trace, labels = NODES["TransitionSweep"]().sweep(**arguments)
    return latents["samples"], trace.runs, labels


def single(testbed, percent, **changes):
    """The picture of KSampler (Basin Escape) at one static transition, and its run."""
    arguments = {
        **start(testbed),
        **WIDGETS,
        "transition": "static",
        "static_percent": percent,
        **changes,
    }
    latent, trace = NODES["BasinEscapeKSampler"]().sample(**arguments)
    return latent["samples"][0], trace.runs[0]


@pytest.mark.parametrize("sampler", [name for name in SAMPLERS if name != "dpm_adaptive"])
def test_every_point_is_a_single_run(testbed, sampler):
    options = {"steps": 8, "sampler_name": sampler}
    samples, (run,), _ = sweep(testbed, points=3, **options)
    one_by_one = module.points_at_once(sampler) == 1
    for sample, percent in enumerate((0.2, 0.5, 0.8)):
        alone, run_alone = single(testbed, percent, **options)
        assert run.transition_step[sample] == run_alone.transition_step.item()
        torch.testing.assert_close(samples[sample], alone, rtol=0, atol=0 if one_by_one else 5e-3)


def test_samplers_that_draw_noise_run_one_point_at_a_time():
    one_by_one = {name for name in SAMPLERS if name != "dpm_adaptive" and module.points_at_once(name) == 1}
    assert {"euler_ancestral", "dpmpp_sde", "dpmpp_2m_sde", "dpmpp_3m_sde", "lcm", "ddpm"} <= one_by_one
    assert not {"euler", "heun", "dpmpp_2m", "uni_pc", "ddim", "lms", "dpm_fast"} & one_by_one


@pytest.mark.parametrize("before", ["zero guidance", "opposite guidance", "conditional only"])
@pytest.mark.parametrize("negative", [None, OTHER])
def test_before_the_transition_and_the_empty_prompt_are_those_of_a_single_run(testbed, before, negative):
    options = {"steps": 20, "before_transition": before}
    if negative:
        options |= {"negative": testbed.encode(negative), "unconditional": testbed.encode("")}
    samples, (run,), _ = sweep(testbed, points=3, **options)
    for sample, percent in enumerate((0.2, 0.5, 0.8)):
        alone, run_alone = single(testbed, percent, **options)
        torch.testing.assert_close(samples[sample], alone, rtol=0, atol=5e-3)
        for quantity in ("sigma", "timestep", "guidance_norm", "scale"):
            # After it, the curve is that of the empty prompt until all points have switched.
            end = run_alone.transition_step.item() if negative else None
            values, alone_values = run.quantity(quantity)[:end, sample], run_alone.quantity(quantity)[:end, 0]
            torch.testing.assert_close(values, alone_values, rtol=1e-2, atol=1e-3)


@pytest.mark.parametrize("at_once", [1, 3, 7])
def test_a_sweep_in_parts_is_the_single_batch(testbed, monkeypatch, at_once):
    """Bit for bit where the model's arithmetic does not depend on the batch, as the Gaussian's."""
    options = {"points": 11, "steps": 10, "sampler_name": "dpmpp_2m"}
    gaussian, results = gaussian_start(), []
    for size in (11, at_once):
        monkeypatch.setattr(module, "POINTS_AT_ONCE", size)
        results.append((sweep(testbed, **gaussian, **options), sweep(testbed, **options)))
    ((whole, (run,), labels), (whole_testbed, _, _)), ((parts, (joined,), joined_labels), (parts_testbed, _, _)) = (
        results
    )
    assert torch.equal(whole, parts) and labels == joined_labels and len(whole) == 11
    assert run.as_dict() == joined.as_dict()
    assert len(run.transition_step.unique()) > 5
    torch.testing.assert_close(whole_testbed, parts_testbed, rtol=0, atol=5e-3)


def test_the_sweep_goes_from_the_copy_to_the_unguided_picture(testbed):
    counted, calls = testbed.counted()
    samples, (run,), labels = sweep(testbed, model=counted, points=9, first_percent=0.0, last_percent=1.0)
    # Two predictions: for the first eight points those that have switched and one of those that wait, then the ninth.
    switches = [0, 7, 13, 19, 25, 31, 37, 43]
    assert calls() == 2 * (rows(range(50), switches) + 50) == 622  # of 900 for nine pictures
    copied = similarity(samples, IMAGES[0])
    assert (copied[:2] > 0.9).all() and (copied[5:] < 0.5).all()
    plain = testbed.stock(MEMORIZED, noise=testbed.noise(1), steps=50)[0]
    unguided = testbed.stock("", noise=testbed.noise(1), steps=50, cfg=1.0)[0]
    torch.testing.assert_close(samples[0], plain, rtol=0, atol=5e-3)
    torch.testing.assert_close(samples[-1], unguided, rtol=0, atol=5e-3)
    assert labels[0] == "t = 1000 (static_percent 0.000)" and labels[4] == "t = 500 (static_percent 0.500)"
    assert run.transition_step.tolist() == [*switches, -1]
    assert run.settings.static_percent == [0.0, 0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 1.0]


def rows(levels, switches):
    """Of the schedule's level of every model call, one after another, and of the points' transitions on it."""
    highest, total = -1, 0
    for level in levels:
        parted = sum(switch <= highest for switch in switches)
        total += min(parted + 1, len(switches))
        highest = max(highest, level)
    return total


@pytest.mark.parametrize("sampler", ["euler", "dpmpp_2m", "heun", "lms"])
@pytest.mark.parametrize("empty", [False, True])
def test_points_share_model_calls_until_they_part_and_nothing_else_changes(testbed, monkeypatch, sampler, empty):
    counted, calls = count_calls(gaussian_start()["model"])
    options = {**gaussian_start(), "model": counted, "steps": 10, "sampler_name": sampler}
    if empty:
        options |= {"unconditional": prompt(0.1), "before_transition": "opposite guidance"}
    samples, (run,), _ = sweep(testbed, **options)
    switches = run.transition_step.tolist()
    assert switches == [2, 4, 6, 8]
    levels = sorted([*range(10), *range(1, 10)]) if sampler == "heun" else range(10)
    # An empty prompt is a third prediction from the first transition until the last.
    before_first, before_last = (rows([level for level in levels if level < end], switches) for end in (2, 8))
    shared = calls()
    assert shared == 2 * rows(levels, switches) + (before_last - before_first) * empty
    monkeypatch.setattr(module, "SweepGuider", BasinEscapeCFGGuider)
    unshared_samples, (unshared_run,), _ = sweep(testbed, **options)
    assert calls() - shared > 1.3 * shared
    torch.testing.assert_close(samples, unshared_samples, rtol=0, atol=1e-5)
    torch.testing.assert_close(run.observations, unshared_run.observations, rtol=1e-5, atol=1e-5, equal_nan=True)
    for sample, percent in enumerate((0.2, 0.4, 0.6, 0.8)):
        torch.testing.assert_close(samples[sample], single(testbed, percent, **options)[0], rtol=0, atol=1e-5)


def test_eight_points_cost_about_five_pictures(testbed):
    counted, calls = testbed.counted()
    sweep(testbed, model=counted, points=8, first_percent=0.1, last_percent=0.8, steps=50)
    assert calls() == 2 * rows(range(50), range(5, 41, 5)) == 506


def test_other_nodes_see_every_point(testbed):
    seen = []

    def pre_cfg(args):
        assert args["input"].shape == args["conds_out"][0].shape == args["conds_out"][1].shape
        seen.append(len(args["input"]))
        return args["conds_out"]

    model = testbed.model.clone()
    model.set_model_sampler_pre_cfg_function(pre_cfg)
    sweep(testbed, model=model, steps=6)
    assert seen == [4] * 6


def test_points_share_the_curve_until_they_part(testbed):
    _, (run,), _ = sweep(testbed, steps=20)
    norms, first = run.quantity("guidance_norm"), run.transition_step.min()
    assert first == 4
    torch.testing.assert_close(norms[: first + 1], norms[: first + 1, :1].expand(-1, 4), rtol=1e-4, atol=0)


def test_an_image_of_a_batch_keeps_its_noise(testbed):
    from_batch = {"samples": torch.zeros(1, 3, 16, 16), "batch_index": [2]}
    samples, _, _ = sweep(testbed, steps=12, first_percent=0.0, points=2, latent_image=from_batch)
    third = testbed.stock(MEMORIZED, noise=testbed.noise(3)[2:], steps=12)
    torch.testing.assert_close(samples[:1], third, rtol=0, atol=5e-3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"first_percent": 0.8, "last_percent": 0.2}, "first_percent is 0.8 and last_percent 0.2.*Set last_percent"),
        ({"sampler_name": "dpm_adaptive"}, "sampler_name is dpm_adaptive.*Choose another"),
        ({"latent_image": {"samples": torch.zeros(2, 3, 16, 16)}}, "latent_image holds 2 images.*batch_size to 1"),
        ({"cfg": float("nan")}, "cfg is nan"),
        ({"positive": []}, "positive is an empty conditioning"),
    ],
)
def test_bad_input_is_refused_before_sampling(testbed, changes, message):
    counted, calls = testbed.counted()
    with pytest.raises(ValueError, match=message):
        sweep(testbed, model=counted, **changes)
    assert calls() == 0


def test_a_latent_with_sound_is_refused_before_sampling(testbed):
    nested = pytest.importorskip("comfy.nested_tensor", reason="needs a ComfyUI with nested latents").NestedTensor
    latent = {"samples": nested([torch.zeros(1, 3, 16, 16), torch.zeros(1, 4, 20)])}
    with pytest.raises(ValueError, match=r"latent_image holds several latents.*single tensor"):
        sweep(testbed, latent_image=latent)
