"""Transition Sweep: every point is the picture that a single run with that static transition gives."""

from functools import partial
from itertools import pairwise

import comfy.samplers
import pytest
import torch
from basin_escape.benchmarks.measure import MEMORIZED as IMAGES
from basin_escape.benchmarks.measure import NODES, WIDGETS, similarity
from basin_escape.tests.support.gaussian import load_gaussian, prompt
from comfy.k_diffusion import sampling

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
    for sample, percent in enumerate((0.2, 0.5, 0.8)):
        alone, run_alone = single(testbed, percent, **options)
        assert run.transition_step[sample] == run_alone.transition_step.item()
        assert torch.equal(samples[sample], alone)


@pytest.mark.parametrize("before", ["zero guidance", "opposite guidance", "conditional only"])
@pytest.mark.parametrize("negative", [None, OTHER])
def test_before_the_transition_and_the_empty_prompt_are_those_of_a_single_run(testbed, before, negative):
    options = {"steps": 20, "before_transition": before}
    if negative:
        options |= {"negative": testbed.encode(negative), "unconditional": testbed.encode("")}
    samples, (run,), _ = sweep(testbed, points=3, **options)
    for sample, percent in enumerate((0.2, 0.5, 0.8)):
        alone, run_alone = single(testbed, percent, **options)
        assert torch.equal(samples[sample], alone)
        for quantity, values in run.series.items():
            assert torch.equal(values[:, sample], run_alone.quantity(quantity)[:, 0])


def test_the_sweep_goes_from_the_copy_to_the_unguided_picture(testbed):
    counted, calls = testbed.counted()
    samples, (run,), labels = sweep(testbed, model=counted, points=9, first_percent=0.0, last_percent=1.0)
    assert calls() == 2 * 50 * 9
    copied = similarity(samples, IMAGES[0])
    assert (copied[:2] > 0.9).all() and (copied[5:] < 0.5).all()
    plain = testbed.stock(MEMORIZED, noise=testbed.noise(1), steps=50)[0]
    unguided = testbed.stock("", noise=testbed.noise(1), steps=50, cfg=1.0)[0]
    torch.testing.assert_close(samples[0], plain, rtol=0, atol=5e-3)
    torch.testing.assert_close(samples[-1], unguided, rtol=0, atol=5e-3)
    assert labels[0] == "t = 1000 (static_percent 0.000)" and labels[4] == "t = 500 (static_percent 0.500)"
    assert run.transition_step.tolist() == [0, 7, 13, 19, 25, 31, 37, 43, -1]
    assert run.settings.static_percent == [0.0, 0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 1.0]


def test_points_share_the_curve_until_they_part(testbed):
    _, (run,), _ = sweep(testbed, steps=20)
    norms, first = run.quantity("guidance_norm"), run.transition_step.min()
    assert first == 4
    assert torch.equal(norms[: first + 1], norms[: first + 1, :1].expand(-1, 4))


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


def foreign_ancestral(model, x, sigmas, extra_args=None, callback=None, disable=None):
    """A sampler of another pack that draws noise and does not say so in its signature."""
    for sigma, following in pairwise(sigmas):
        denoised = model(x, sigma * x.new_ones(len(x)), **extra_args)
        x = denoised + (x - denoised) / sigma * following * 0.9
        if following > 0:
            x = x + torch.randn_like(x) * following * 0.4
    return x


class ForeignSampler(comfy.samplers.Sampler):
    """A sampler of another pack that is no function."""

    def sample(self, model_wrap, sigmas, extra_args, callback, noise, latent_image=None, denoise_mask=None, pbar=False):
        return foreign_ancestral(model_wrap, noise * (1 + sigmas[0] ** 2).sqrt(), sigmas, extra_args)


FOREIGN = {
    "foreign": lambda: comfy.samplers.KSAMPLER(foreign_ancestral),
    "partial": lambda: comfy.samplers.KSAMPLER(partial(sampling.sample_euler_ancestral, eta=0.7)),
    "object": ForeignSampler,
}


@pytest.mark.parametrize("name", FOREIGN)
def test_samplers_of_other_packs(testbed, monkeypatch, name):
    known = comfy.samplers.sampler_object
    monkeypatch.setattr(comfy.samplers, "sampler_object", lambda key: FOREIGN[key]() if key in FOREIGN else known(key))
    monkeypatch.setattr(comfy.samplers.KSampler, "SAMPLERS", [*SAMPLERS, name])
    assert_points_are_single_runs(testbed, sampler_name=name)


def half_masks(number):
    masks = torch.zeros(number, 16, 16)
    for k, mask in enumerate(masks):
        mask[:, 4 * k : 4 * k + 8] = 1
    return {"samples": torch.full((1, 3, 16, 16), 0.3), "noise_mask": masks[:, None]}


@pytest.mark.parametrize("masks", [1, 3])
def test_ddim_with_a_mask(testbed, masks):
    assert_points_are_single_runs(testbed, sampler_name="ddim", latent_image=half_masks(masks))


def test_a_conditioning_of_two_rows(testbed):
    both = torch.cat([testbed.encode(MEMORIZED)[0][0], testbed.encode(OTHER)[0][0]])
    assert_points_are_single_runs(testbed, positive=[[both, {}]])


def test_a_node_that_compares_with_its_last_batch(testbed):
    """As step caches and guidance that reshapes by batch do: it fails where the number of rows changes."""
    seen = []

    def wrapper(apply_model, args):
        seen.append(args["input"])
        assert len({len(rows) for rows in seen}) == 1
        return apply_model(args["input"], args["timestep"], **args["c"]) * (1 if len(seen) % 2 else 0.9)

    model = testbed.model.clone()
    model.set_model_unet_function_wrapper(wrapper)
    assert_points_are_single_runs(testbed, model=model)


def assert_points_are_single_runs(testbed, **options):
    options = {"steps": 8, **options}
    samples, (run,), _ = sweep(testbed, points=3, **options)
    for sample, percent in enumerate((0.2, 0.5, 0.8)):
        alone, run_alone = single(testbed, percent, **options)
        assert torch.equal(samples[sample], alone)
        assert run.transition_step[sample] == run_alone.transition_step.item()
    assert (samples[0] - samples[2]).abs().max() > 1e-3
