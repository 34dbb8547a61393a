"""Orthogonal guidance on ComfyUI's sampling library, against a loop that is written out."""

from itertools import pairwise

import comfy.samplers
import pytest
import torch
from basin_escape.samplers.host import patch
from basin_escape.samplers.host.patch import patch_model
from basin_escape.samplers.settings import Settings
from basin_escape.samplers.trace import GuidanceTrace

from .conftest import MEMORIZED, ORDINARY, Testbed

CFG, REPULSION = 7.5, 0.1
NEVER = Settings("never", "orthogonal guidance", repulsion=REPULSION)


def dot(one, other):
    return (one.double() * other.double()).sum()


def pulls(g, v, w):
    """Of one sample, what is left of both pulls, and the second one, which is new where it was None."""
    along = dot(g, v) / dot(v, v)
    q = along.clamp_min(0)
    if w is None and dot(g - q * v, g - q * v) > 1.75**2 * dot(v, v):
        w = g - along * v
    p = torch.zeros(()) if w is None else (dot(g, w) / dot(w, w)).clamp_min(0)
    return q.float(), p.float(), w


def written_out(testbed, steps=12, batch=2, repulsion=REPULSION, cfg=CFG, until=None, prompt=MEMORIZED):
    """Euler by hand; plain CFG from the noise level `until` on. Returns the samples, and q and p [steps, batch].

    Inner products in float64, sample by sample.
    """
    model, x = testbed.model.model, testbed.noise(batch)
    sigmas = comfy.samplers.KSampler(testbed.model, steps, "cpu", "euler", "normal").sigmas
    x = model.model_sampling.noise_scaling(sigmas[0], x, torch.zeros_like(x), True)
    positive, negative = (testbed.encode(text)[0][0].expand(batch, -1, -1) for text in (prompt, ""))
    v, w, shares = None, [None] * batch, []
    for sigma, following in pairwise(sigmas):
        options = {"sigmas": sigma[None]}
        cond, uncond = (
            model.apply_model(x, sigma.expand(batch), c_crossattn=context, transformer_options=options)
            for context in (positive, negative)
        )
        g = cond - uncond
        v = g if v is None else v
        q, p, w = zip(*map(pulls, g, v, w), strict=True)
        shares.append(torch.stack([torch.stack(q), torch.stack(p)]))
        if until is None or sigma > until:
            out = [a * b + (c * d if d is not None else 0) for a, b, c, d in zip(q, v, p, w, strict=True)]
            g = g - (1 + repulsion) * torch.stack(out)
        denoised = uncond + cfg * g
        x = x + (x - denoised) / sigma * (following - sigma)
    samples = model.process_latent_out(model.model_sampling.inverse_noise_scaling(sigmas[-1], x))
    return samples, *torch.stack(shares).unbind(1)


def by_patch(testbed, settings, prompt=MEMORIZED, **options):
    patched = patch_model(options.pop("model", testbed.model), settings, trace := GuidanceTrace())
    return testbed.stock(prompt, model=patched, **options), trace.runs[-1]


@pytest.mark.parametrize("repulsion", [0.0, 0.1, 1.0])
def test_it_is_the_written_out_loop(any_testbed, repulsion):
    settings = Settings("never", "orthogonal guidance", repulsion=repulsion)
    expected, q, p = written_out(any_testbed, repulsion=repulsion)
    for samples, run in (by_patch(any_testbed, settings), any_testbed.guided(settings, MEMORIZED)):
        torch.testing.assert_close(samples, expected, rtol=0, atol=1e-4)
        torch.testing.assert_close(run.quantity("first_pull"), q, rtol=1e-3, atol=1e-4)
        torch.testing.assert_close(run.quantity("second_pull"), p, rtol=1e-3, atol=1e-4)
        assert run.quantity("scale").unique().tolist() == [CFG]
        assert run.transition_step.tolist() == [-1, -1]


def test_a_second_pull_is_the_written_out_loop():
    """A class label has several memorized pictures: what the first step showed is outgrown on the way."""
    labels = Testbed("class labels")
    expected, _, p = written_out(labels, steps=20, batch=4, prompt=ORDINARY)
    assert (p > 0).any()
    for samples, run in (
        by_patch(labels, NEVER, ORDINARY, batch=4, steps=20),
        labels.guided(NEVER, ORDINARY, batch=4, steps=20),
    ):
        torch.testing.assert_close(samples, expected, rtol=0, atol=1e-3)
        torch.testing.assert_close(run.quantity("second_pull"), p, rtol=1e-2, atol=1e-3)


def test_after_a_static_transition_it_is_plain_cfg(testbed):
    settings = Settings("static", "orthogonal guidance", repulsion=REPULSION, static_percent=0.5)
    until = testbed.model.get_model_object("model_sampling").percent_to_sigma(0.5)
    expected, *_ = written_out(testbed, until=until * 1.0001)
    for samples in (by_patch(testbed, settings)[0], testbed.guided(settings, MEMORIZED)[0]):
        torch.testing.assert_close(samples, expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("transition", ["never", "dynamic", "escape", "static"])
@pytest.mark.parametrize("sampler", ["euler", "euler_ancestral", "heun", "dpmpp_2m", "euler_cfg_pp"])
def test_patch_and_guider_are_one_and_cost_what_stock_costs(testbed, transition, sampler):
    settings = Settings(transition, "orthogonal guidance", latest_percent=0.9)
    counted, calls = testbed.counted()
    plain = testbed.stock(MEMORIZED, model=counted, sampler=sampler)
    stock_calls = calls()
    patched, _ = by_patch(testbed, settings, model=counted, sampler=sampler)
    assert calls() == 2 * stock_calls
    guided, run = testbed.guided(settings, MEMORIZED, model=counted, sampler=sampler)
    assert calls() == 3 * stock_calls
    assert torch.equal(patched, guided) and guided.isfinite().all()
    assert (guided - plain).abs().max() > 1e-3
    assert run.quantity("first_pull")[0].tolist() == [1.0, 1.0]


@pytest.mark.parametrize("transition", ["never", "dynamic", "escape", "static"])
def test_a_gated_sample_is_stock_bit_for_bit(testbed, transition):
    settings = Settings(transition, "orthogonal guidance", memorization_threshold=0.9)
    stock = testbed.stock(MEMORIZED)
    samples, run = by_patch(testbed, settings)
    assert torch.equal(samples, stock) and run.gated.all()
    assert torch.equal(testbed.guided(settings, MEMORIZED)[0], stock)


def test_a_batch_is_its_samples_one_by_one(any_testbed):
    samples, run = any_testbed.guided(NEVER, MEMORIZED, batch=4, steps=20)
    for sample, noise in enumerate(any_testbed.noise(4)):
        alone, run_alone = any_testbed.guided(NEVER, MEMORIZED, noise=noise[None], steps=20)
        torch.testing.assert_close(samples[sample], alone[0], rtol=0, atol=5e-3)
        q, q_alone = run.quantity("first_pull")[:, sample], run_alone.quantity("first_pull")[:, 0]
        torch.testing.assert_close(q, q_alone, rtol=1e-2, atol=1e-3)


def test_where_both_prompts_are_one_it_is_plain_cfg(testbed):
    stock = testbed.stock(MEMORIZED, negative=MEMORIZED)
    samples, run = by_patch(testbed, NEVER, negative=MEMORIZED)
    assert torch.equal(samples, stock) and (run.quantity("first_pull") == 0).all()


def test_other_nodes_work_on_what_is_left_of_the_prompt(testbed):
    """A node before CFG sees D_c' and the negative prediction; a cfg function and a post-CFG hook act on it too."""
    seen = []
    model = testbed.model.clone()
    model.set_model_sampler_pre_cfg_function(lambda args: seen.append(args["conds_out"]) or args["conds_out"])
    model.set_model_sampler_cfg_function(lambda args: args["uncond"] + (args["cond"] - args["uncond"]) * CFG / 2)
    samples, _ = by_patch(testbed, NEVER, model=model)
    expected, *_ = written_out(testbed, cfg=CFG / 2)
    torch.testing.assert_close(samples, expected, rtol=0, atol=1e-4)
    plain = testbed.stock(MEMORIZED, model=model)
    assert plain.isfinite().all() and len(seen) == 24
    # In the first call all of the guidance is the first pull: what is left of it is the repulsion.
    (cond, uncond), (stock_cond, stock_uncond) = seen[0], seen[12]
    torch.testing.assert_close(cond - uncond, -REPULSION * (stock_cond - stock_uncond), rtol=1e-3, atol=1e-5)


def test_a_post_cfg_hook_of_another_node_acts_on_it(testbed):
    model = testbed.model.clone()
    model.set_model_sampler_post_cfg_function(lambda args: args["denoised"] / 2)
    halved, _ = by_patch(testbed, NEVER, model=model)
    stock = testbed.stock(MEMORIZED, model=model)
    assert not torch.equal(halved, by_patch(testbed, NEVER)[0]) and not torch.equal(halved, stock)


def test_the_scale_may_change_on_the_way(testbed):
    """Whatever scale the host uses in a call is the one that acts on what is left."""

    class Halving(comfy.samplers.CFGGuider):
        def predict_noise(self, x, timestep, model_options={}, seed=None):
            self.set_cfg(CFG if timestep[0] > 2 else CFG / 2)
            return super().predict_noise(x, timestep, model_options, seed)

    guider = Halving(patch_model(testbed.model, NEVER, trace := GuidanceTrace()))
    guider.set_conds(testbed.encode(MEMORIZED), testbed.encode(""))
    sigmas = comfy.samplers.KSampler(testbed.model, 12, "cpu", "euler", "normal").sigmas
    noise = testbed.noise()
    guider.sample(noise, torch.zeros_like(noise), comfy.samplers.sampler_object("euler"), sigmas, disable_pbar=True)
    scales = trace.runs[-1].quantity("scale")[:, 0].tolist()
    assert scales == [CFG if sigma > 2 else CFG / 2 for sigma in sigmas[:-1].tolist()]


def test_a_guider_without_pre_cfg_hooks_gets_the_same(testbed):
    """As DualModelGuider and others: they show the predictions to the post-CFG hook alone."""

    class Plain(comfy.samplers.CFGGuider):
        def predict_noise(self, x, timestep, model_options={}, seed=None):
            conds = [self.conds["positive"], self.conds["negative"]]
            cond, uncond = comfy.samplers.calc_cond_batch(self.inner_model, conds, x, timestep, model_options)
            return comfy.samplers.cfg_function(
                self.inner_model, cond, uncond, self.cfg, x, timestep, model_options, *conds
            )

    guider = Plain(patch_model(testbed.model, NEVER, GuidanceTrace()))
    guider.set_conds(testbed.encode(MEMORIZED), testbed.encode(""))
    guider.set_cfg(CFG)
    sigmas = comfy.samplers.KSampler(testbed.model, 12, "cpu", "euler", "normal").sigmas
    noise, euler = testbed.noise(), comfy.samplers.sampler_object("euler")
    options = {"disable_pbar": True, "seed": 7}
    if patch.WrappersMP is None:  # which tells post-CFG hooks no scale either
        with pytest.raises(ValueError, match=r"orthogonal guidance needs the guidance scale.*Use Basin Escape Guider"):
            guider.sample(noise, torch.zeros_like(noise), euler, sigmas, **options)
    else:
        samples = guider.sample(noise, torch.zeros_like(noise), euler, sigmas, **options)
        torch.testing.assert_close(samples, by_patch(testbed, NEVER)[0], rtol=0, atol=1e-4)


def test_at_cfg_1_it_runs_the_negative_pass_and_takes_the_pull_out(testbed):
    expected, *_ = written_out(testbed, cfg=1.0)
    torch.testing.assert_close(by_patch(testbed, NEVER, cfg=1.0)[0], expected, rtol=0, atol=1e-4)


def test_an_empty_prompt_beside_the_negative_one_has_no_part(testbed):
    counted, calls = testbed.counted()
    samples, _ = testbed.guided(NEVER, MEMORIZED, negative=ORDINARY, unconditional="", model=counted)
    assert calls() == 2 * 2 * 12
    assert torch.equal(samples, by_patch(testbed, NEVER, negative=ORDINARY)[0])


def test_never_follows_zero_guidance_to_the_end(testbed):
    never, static = Settings("never"), Settings("static", static_percent=1.0)
    samples, run = testbed.guided(never, MEMORIZED)
    assert torch.equal(samples, testbed.guided(static, MEMORIZED)[0])
    assert run.transition_step.tolist() == [-1, -1]
