"""The harness: any method on any testbed, sampled by ComfyUI and judged by the testbed."""

import math
from dataclasses import replace

import comfy.sample
import numpy as np
import pytest
import torch
from basin_escape.benchmarks import cache, harness, testbeds
from basin_escape.benchmarks.harness import Sampling, evaluate, sample, start_noise
from basin_escape.benchmarks.judged import Judged, judge
from basin_escape.benchmarks.measure import NODES, WIDGETS
from basin_escape.benchmarks.meter import Meter, memory_from_here, peak_memory
from basin_escape.benchmarks.methods import PLAIN, Method, guided, patched
from basin_escape.benchmarks.paper.methods import at, method, transition_step
from basin_escape.benchmarks.paper.sweep import Condition, sweep
from basin_escape.samplers.settings import Settings

NAME, SEEDS = "closed form eps", range(1000, 1003)
BED = testbeds.testbed(NAME)
CAPTION = BED.held_out.memorized[0]
FEW = Sampling(steps=8)
OPPOSITE = Settings("escape", "opposite guidance")
pytestmark = pytest.mark.usefixtures("own_results")


def sampled(method, sampling=FEW, seeds=SEEDS, bed=BED, caption=CAPTION):
    return sample(method, bed, caption, start_noise(bed.latent_shape, seeds), seeds, sampling)


def stock(sampling, noise, seed):
    positive, negative = BED.encode(CAPTION), BED.encode("")
    names, latent = (sampling.sampler, sampling.scheduler), torch.zeros_like(noise)
    options = {"disable_pbar": True, "seed": seed}
    return comfy.sample.sample(
        BED.model, noise, sampling.steps, sampling.cfg, *names, positive, negative, latent, **options
    )


@pytest.mark.parametrize("sampler", ["euler", "heun", "dpmpp_2m", "dpm_2", "uni_pc", "ddim"])
def test_plain_cfg_is_comfyuis_own_sampling(sampler):
    sampling = Sampling(sampler, 8, 5.0, "karras")
    noise = start_noise(BED.latent_shape, SEEDS)
    assert torch.equal(sampled(PLAIN, sampling)[0], stock(sampling, noise, SEEDS[0]))


@pytest.mark.parametrize("sampler", ["dpmpp_sde", "dpmpp_2m_sde", "dpmpp_3m_sde"])
def test_one_start_with_a_brownian_tree_is_comfyuis_own_sampling(sampler):
    sampling, one = Sampling(sampler, 8), SEEDS[:1]
    noise = start_noise(BED.latent_shape, one)
    assert torch.equal(sampled(PLAIN, sampling, one)[0], stock(sampling, noise, one[0]))


@pytest.mark.parametrize("sampler", ["euler", "dpmpp_2m", "euler_ancestral", "dpmpp_2m_sde", "dpm_2_ancestral", "lcm"])
def test_a_start_is_the_same_alone_and_among_others(sampler):
    together = sampled(guided("", OPPOSITE), Sampling(sampler, 8))[0]
    for place, seed in enumerate(SEEDS):
        alone = sampled(guided("", OPPOSITE), Sampling(sampler, 8), range(seed, seed + 1))[0]
        torch.testing.assert_close(together[place : place + 1], alone, rtol=0, atol=1e-3)


BOTH = [Settings("off"), Settings(), OPPOSITE, Settings("static", static_percent=0.4)]


@pytest.mark.parametrize("settings", BOTH, ids=lambda settings: f"{settings.transition}, {settings.before_transition}")
def test_guider_and_patch_agree(settings):
    guider, patch = sampled(guided("", settings)), sampled(patched("", settings))
    assert torch.equal(guider[0], patch[0])
    assert guider[1].runs[0].transition_step.equal(patch[1].runs[0].transition_step)
    if not settings.mitigates:
        assert torch.equal(guider[0], sampled(PLAIN)[0])


def test_the_sampler_node_makes_the_same_picture():
    widgets = {**WIDGETS, "steps": 8, "transition": "escape", "before_transition": "opposite guidance"}
    prompts = {"positive": BED.encode(CAPTION), "negative": BED.encode("")}
    latent, _ = NODES["BasinEscapeKSampler"]().sample(
        model=BED.model, seed=3, latent_image={"samples": torch.zeros(1, *BED.latent_shape)}, **prompts, **widgets
    )
    assert torch.equal(latent["samples"], sampled(guided("", OPPOSITE), seeds=range(3, 4))[0])


@pytest.mark.parametrize("sampler", ["euler", "euler_ancestral"])
def test_a_picture_is_that_of_the_sweep(sampler):
    noise = start_noise(BED.latent_shape, SEEDS)
    condition = Condition(NAME, "opposite guidance", 2.0, sampler, 10)
    found = sweep(condition, CAPTION, noise, list(SEEDS))
    settings = method("", "opposite 2", "escape").settings
    step = transition_step(found, settings, condition)
    samples, trace, _ = sampled(guided("", settings), Sampling(sampler, 10))
    assert trace.runs[0].transition_step.equal(torch.where(step < 10, step, -1))
    torch.testing.assert_close(samples, at(found["samples"], step), rtol=0, atol=1e-4)


def test_every_field_of_a_setup_is_a_methods_to_change():
    """Model, prompt, start noise, schedule, scale and guider, in a picture that is known."""

    def change(setup):
        assert (setup.cfg, list(setup.seeds), len(setup.sigmas)) == (7.5, list(SEEDS), 9)
        return replace(
            setup,
            positive=BED.encode(""),
            noise=setup.noise.flip(0),
            sigmas=setup.sigmas[:5],
            guider=lambda s: plain_guider(replace(s, cfg=1.0)),
        )

    plain_guider = harness.stock
    samples, trace, spent = sampled(Method("", change))
    expected = sampled(Method("", lambda s: replace(s, positive=s.negative, cfg=1.0, sigmas=s.sigmas[:5])))[0].flip(0)
    torch.testing.assert_close(samples, expected, rtol=0, atol=1e-5)
    assert trace is None and spent.calls == 3 * 4  # at scale 1 the host leaves out the unconditional pass


def test_figures_of_hand_made_pictures():
    image, other = BED.image(CAPTION), BED.image(BED.held_out.memorized[1])
    found = judge(BED, [CAPTION], [torch.stack([image, image, other, -image])])
    assert found.copied.tolist() == [[True, True, False, False]]
    assert found.similarity[0, [0, 1, 3]] == pytest.approx([1, 1, -1])
    assert found.alignment[0, :2].tolist() == [1, 1]


def test_figures_of_hand_made_numbers():
    pixels = torch.tensor([[1.0, -1.0], [1.0, -1.0], [1.0, -1.0], [-1.0, 1.0]])
    similarity = np.array([[0.0, 1.0], [0.5, 0.95]])
    alignment = np.array([[0.5, 1.0], [1.0, 1.0]])
    judged = Judged(pixels.view(2, 2, 1, 1, 2), similarity, similarity > 0.9, alignment)
    found = judged.merit() | judged.spread()
    assert {name: value for name, (value, *_) in found.items()} == pytest.approx(
        {
            "similarity 95pc": 0.9925,
            "similarity mean": 0.6125,
            "copied": 0.5,
            "alignment": 0.875,
            "alignment of escaped": 0.75,
            "diversity": 1.0,  # 0 for the first caption, 2 for the second
        }
    )
    assert all(low <= value <= high for value, low, high in found.values())
    assert Judged(pixels.view(4, 1, 1, 1, 2), *[np.ones((4, 1))] * 3).spread() == {}


def test_calls_are_those_of_every_start():
    row = evaluate(PLAIN, NAME, [CAPTION], 3, FEW).row()
    assert (row["model calls"], row["backward passes"], row["pictures"]) == (16, 0, 3)
    skipped = evaluate(guided("", Settings("static"), skip_unused_pass=True), NAME, [CAPTION], 3, FEW)
    assert skipped.calls == 12
    assert evaluate(PLAIN, NAME, [CAPTION], 2, Sampling("heun", 8)).calls == 30
    assert row["seconds"] > 0 and math.isfinite(row["memory MB"])


def test_backward_passes_and_the_calls_of_a_method_itself_are_counted():
    def change(setup):
        noise = setup.noise.clone().requires_grad_()
        context, sigma = setup.positive[0][0].expand(len(noise), -1, -1), setup.sigmas[:1].expand(len(noise))
        options = {"sigmas": sigma}
        for _ in range(2):
            denoised = setup.model.model.apply_model(noise, sigma, c_crossattn=context, transformer_options=options)
            (gradient,) = torch.autograd.grad(denoised.square().sum(), noise)
        return replace(setup, noise=(noise - 0 * gradient).detach())

    found = evaluate(Method("gradients", change), NAME, [CAPTION], 3, FEW)
    assert (found.calls, found.backward) == (16 + 2, 2)
    assert torch.equal(found.samples, evaluate(PLAIN, NAME, [CAPTION], 3, FEW).samples)


def test_a_meter_sees_the_most_memory_and_leaves_the_model_as_it_was():
    with Meter(BED.model) as spent:
        torch.ones(16_000_000).sum()
    assert spent.memory == 0 or 60e6 < spent.memory < 200e6
    assert not BED.model.model.diffusion_model._forward_hooks
    assert peak_memory() >= memory_from_here()


def test_a_result_on_disk_equals_a_computed_one(monkeypatch):
    captions = BED.held_out.memorized[:2]
    once = evaluate(guided("escape", OPPOSITE), NAME, captions, 2, FEW)
    with monkeypatch.context() as patch:
        patch.setattr(harness, "sample", None)
        again = evaluate(guided("escape", OPPOSITE), NAME, captions, 2, FEW)
    assert again.row() == once.row() and torch.equal(again.samples, once.samples)
    fresh = sampled(guided("escape", OPPOSITE), FEW, BED.seeds(captions[1], 2), caption=captions[1])[0]
    assert torch.equal(again.samples[1], fresh)


@pytest.mark.parametrize(
    "change",
    [
        {"method": guided("escape", replace(OPPOSITE, opposite_scale=3.0))},
        {"method": patched("escape", OPPOSITE)},
        {"method": guided("other", OPPOSITE)},
        {"name": "closed form v"},
        {"caption": BED.held_out.memorized[1]},
        {"seeds": range(1000, 1001)},
        *({"sampling": replace(FEW, **change)} for change in ({"sampler": "heun"}, {"steps": 9}, {"cfg": 5.0})),
        {"sampling": replace(FEW, scheduler="karras")},
    ],
)
def test_whatever_changes_a_result_is_computed_anew(monkeypatch, change):
    arguments = {"method": guided("escape", OPPOSITE), "name": NAME, "caption": CAPTION, "seeds": SEEDS}
    harness.finished(**arguments, sampling=FEW)
    monkeypatch.setattr(harness, "sample", None)
    harness.finished(**arguments, sampling=FEW)
    with pytest.raises(TypeError):
        harness.finished(**{**arguments, "sampling": FEW, **change})


def test_a_name_on_disk_knows_the_model_and_not_the_names_of_imports(tmp_path):
    file = tmp_path / "model.py"

    def place(text):
        file.write_text(text, encoding="utf-8")
        return cache.place("job", [file])

    code = '"""A model."""\nfrom a import b\n\ndef f(x):\n    """Twice."""\n    return 2 * x\n'
    assert place(code) == place("from c import (\n    b,\n)\ndef f(x):  # twice\n    return 2 * x\n")
    assert place(code) != place(code.replace("2", "3"))
    assert cache.place("job", [file]) != cache.place("another", [file])
    weights = tmp_path / "model.safetensors"
    weights.write_bytes(b"1")
    first = cache.place("job", [weights])
    weights.write_bytes(b"2")
    assert cache.place("job", [weights]) != first


@pytest.mark.parametrize("name", testbeds.TESTBEDS)
def test_every_testbed_is_sampled_and_judged(name):
    bed = testbeds.testbed(name)
    captions = [*bed.held_out.memorized[:1], *bed.held_out.ordinary[:1]]
    found = evaluate(PLAIN, name, captions, 2, Sampling(steps=4))
    assert found.samples.shape == (len(captions), 2, *bed.latent_shape) and found.samples.isfinite().all()
    assert found.calls == 8
    assert (np.abs(found.similarity) <= 1.001).all()
    assert np.isnan(found.alignment).all() == (name == "trigger words alone")
    assert not set(bed.seeds(captions[0], 100)) & set(bed.seeds(captions[-1], 100)) or len(captions) == 1
