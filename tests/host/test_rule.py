"""The guidance rule on ComfyUI's sampling library, against the testbed's exact answers."""

import comfy.samplers
import pytest
import torch
from basin_escape.benchmarks.measure import PICTURES
from basin_escape.samplers.guidance import norm
from basin_escape.samplers.host import patch
from basin_escape.samplers.host.patch import WrappersMP, patch_model
from basin_escape.samplers.settings import Settings
from basin_escape.samplers.trace import GuidanceTrace
from basin_escape.testbed.denoiser import SCALE, noise_coefficients, posterior_mean
from basin_escape.testbed.prior import log_prior

from .conftest import MEMORIZED, run_guider

NEVER = Settings("static", static_percent=1.0)


def exact(testbed, variant, x, sigma, prompt):
    """E[x0 | x] from the distribution itself, without ComfyUI."""
    means = SCALE * PICTURES.means.flatten(1)
    prior = log_prior(testbed.encode(prompt)[0][0]).expand(len(x), -1)
    a, b = noise_coefficients(variant, sigma)
    return posterior_mean(x.flatten(1), a, b, means, means.square().sum(1), prior).view_as(x)


@pytest.mark.parametrize("settings", [NEVER, Settings("static", "opposite guidance", static_percent=1.0)])
def test_predictions_norms_and_opposite_guidance_are_the_closed_form(any_testbed, settings):
    variant = any_testbed.model.model.diffusion_model.variant
    seen = []

    class Spy(comfy.samplers.CFGGuider):
        def predict_noise(self, x, timestep, model_options={}, seed=None):
            denoised = super().predict_noise(x, timestep, model_options, seed)
            seen.append((x, timestep, denoised))
            return denoised

    guider = Spy(patch_model(any_testbed.model, settings, trace := GuidanceTrace()))
    guider.set_conds(any_testbed.encode(MEMORIZED), any_testbed.encode(""))
    guider.set_cfg(7.5)
    run_guider(guider, any_testbed.noise(), 12)
    assert len(seen) == 12
    for step, (x, sigma, denoised) in enumerate(seen):
        cond, uncond = (exact(any_testbed, variant, x, sigma, prompt) for prompt in (MEMORIZED, ""))
        delta = (uncond - cond) / sigma.view(-1, 1, 1, 1)
        torch.testing.assert_close(trace.runs[0].quantity("guidance_norm")[step], norm(delta), rtol=2e-3, atol=2e-3)
        scale = 0.0 if settings.before_transition == "zero guidance" else settings.opposite_scale
        torch.testing.assert_close(denoised, uncond - scale * (cond - uncond), rtol=0, atol=2e-3)


def test_zero_guidance_throughout_is_unconditional_sampling(any_testbed):
    expected = any_testbed.stock("", cfg=1.0)
    patched = patch_model(any_testbed.model, NEVER, GuidanceTrace())
    torch.testing.assert_close(any_testbed.stock(MEMORIZED, model=patched), expected, rtol=0, atol=1e-3)
    torch.testing.assert_close(any_testbed.guided(NEVER, MEMORIZED)[0], expected, rtol=0, atol=1e-3)
    torch.testing.assert_close(any_testbed.guided(NEVER, MEMORIZED, skip=True)[0], expected, rtol=0, atol=1e-3)


@pytest.mark.parametrize("sampler", ["heun", "dpm_2", "dpmpp_sde", "dpmpp_2m", "uni_pc", "euler_cfg_pp"])
def test_one_observation_per_step_of_the_schedule(testbed, sampler):
    steps = 12
    samples, run = testbed.guided(Settings("off"), MEMORIZED, sampler=sampler, steps=steps)
    assert samples.isfinite().all()
    assert run.quantity("guidance_norm").shape == (steps, 2)
    sigmas = run.quantity("sigma")[:, 0]
    assert (sigmas[1:] < sigmas[:-1]).all()


def test_the_timestep_is_the_models_own_where_that_has_the_papers_scale(testbed):
    _, run = testbed.guided(NEVER, MEMORIZED, steps=30)
    own = testbed.model.get_model_object("model_sampling").timestep(run.quantity("sigma")[:, 0])
    torch.testing.assert_close(run.quantity("timestep")[:, 0], own.float(), rtol=0, atol=2.0)


@pytest.mark.parametrize(
    ("sampler", "steps", "tolerance"),
    [("heun", 12, 0.05), ("dpmpp_2m", 12, 0.05), ("dpm_2", 12, 0.05), ("dpmpp_sde", 3, 0.15)],
)
def test_other_samplers_see_the_curve_that_euler_sees(testbed, sampler, steps, tolerance):
    """While the trajectories are still close: the first of 50 steps without guidance, fewer where noise is added."""
    _, euler = testbed.guided(NEVER, MEMORIZED, steps=50)
    _, other = testbed.guided(NEVER, MEMORIZED, steps=50, sampler=sampler)
    for name in ("timestep", "guidance_norm"):
        torch.testing.assert_close(other.quantity(name)[:steps], euler.quantity(name)[:steps], rtol=tolerance, atol=0)


@pytest.mark.parametrize("before", ["zero guidance", "opposite guidance"])
def test_a_batch_is_its_samples_one_by_one(testbed, before):
    settings = Settings("dynamic", before, latest_percent=0.8)
    samples, run = testbed.guided(settings, MEMORIZED, batch=4, steps=30)
    assert len(run.transition_step.unique()) > 1
    for sample, noise in enumerate(testbed.noise(4)):
        alone, run_alone = testbed.guided(settings, MEMORIZED, noise=noise[None], steps=30)
        assert run_alone.transition_step.item() == run.transition_step[sample]
        torch.testing.assert_close(samples[sample], alone[0], rtol=0, atol=5e-3)


def test_patch_and_guider_are_the_same_rule(any_testbed, settings):
    patched = patch_model(any_testbed.model, settings, trace := GuidanceTrace())
    samples, run = any_testbed.guided(settings, MEMORIZED, steps=30)
    assert torch.equal(any_testbed.stock(MEMORIZED, model=patched, steps=30), samples)
    assert torch.equal(trace.runs[0].transition_step, run.transition_step)
    assert (run.transition_step > 0).all()


def test_an_escape_by_patch_is_the_guiders(testbed):
    settings = Settings("escape", latest_percent=1.0)
    patched = patch_model(testbed.model, settings, GuidanceTrace())
    samples, run = testbed.guided(settings, MEMORIZED, steps=30)
    assert torch.equal(testbed.stock(MEMORIZED, model=patched, steps=30), samples)
    assert (run.transition_step > 2).all()


def test_another_nodes_cfg_function_acts_after_the_transition(testbed):
    """A cfg function that halves the scale: before the transition unseen, after it in force."""
    halved = testbed.model.clone()
    halved.set_model_sampler_cfg_function(
        lambda args: args["uncond"] + (args["cond"] - args["uncond"]) * args["cond_scale"] / 2
    )
    settings = Settings("static", static_percent=0.2)
    samples, _ = testbed.guided(settings, MEMORIZED, model=halved)
    expected, _ = testbed.guided(settings, MEMORIZED, cfg=3.75)
    stronger, _ = testbed.guided(settings, MEMORIZED, cfg=7.5)
    torch.testing.assert_close(samples, expected, rtol=0, atol=1e-3)
    assert (samples - stronger).abs().max() > 0.01


def stronger(args):
    """A post-CFG function of another node that adds guidance of its own."""
    return args["denoised"] + 3 * (args["cond_denoised"] - args["uncond_denoised"])


@pytest.mark.skipif(WrappersMP is None, reason="this host does not tell a patch when a run begins")
def test_the_patch_is_before_and_after_every_other_node_that_guides(testbed):
    """Wherever another node's hook stands, it has no say under mitigation."""
    alone = testbed.stock(MEMORIZED, model=patch_model(testbed.model, NEVER, GuidanceTrace()))
    guided = testbed.model.clone()
    guided.set_model_sampler_post_cfg_function(stronger)
    assert torch.equal(testbed.stock(MEMORIZED, model=patch_model(guided, NEVER, GuidanceTrace())), alone)
    assert torch.equal(testbed.guided(NEVER, MEMORIZED, model=guided)[0], alone)
    after = patch_model(testbed.model, NEVER, GuidanceTrace())
    after.set_model_sampler_post_cfg_function(stronger)
    assert torch.equal(testbed.stock(MEMORIZED, model=after), alone)


def test_on_an_older_host_the_patch_is_put_after_other_nodes_that_guide(testbed, monkeypatch):
    monkeypatch.setattr(patch, "WrappersMP", None)
    guided = testbed.model.clone()
    guided.set_model_sampler_post_cfg_function(stronger)
    alone = testbed.stock(MEMORIZED, model=patch_model(testbed.model, NEVER, GuidanceTrace()))
    assert torch.equal(testbed.stock(MEMORIZED, model=patch_model(guided, NEVER, GuidanceTrace())), alone)
    after = patch_model(testbed.model, NEVER, GuidanceTrace())
    after.set_model_sampler_post_cfg_function(stronger)
    assert (testbed.stock(MEMORIZED, model=after) - alone).abs().max() > 0.1
