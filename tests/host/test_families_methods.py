"""Every other node on a model of every family (tests/support/families.py): what it leaves alone, and that it works.

A node that cannot do with a family says so by the name of its input.
"""

import json
from contextlib import contextmanager

import pytest
import torch
from basin_escape.benchmarks.measure import NODES, SETTINGS, WIDGETS
from basin_escape.nodes.detection_scores import ENTROPY, SCORES
from basin_escape.tests.support.families import FAMILIES, UNETS, family_prompt
from basin_escape.tests.support.family_runs import CFG, SEED, STEPS, Encoder, Family

QUICK = ("SD3", "Qwen-Image", "Stable Audio", "Wan")  # an image, one with a time axis, sound, a video
SAMPLER = {"steps": STEPS, "sampler_name": "euler", "scheduler": "normal", "cfg": CFG}
ATTENTION = {
    "SilenceNeurons": {"neurons": "0: 1, 2"},
    "GUARDGuider": {"cfg": CFG, "repulsion": 2.0, "attenuation": 1.0, "spike_threshold": 1.0},
}


@pytest.fixture(
    scope="module", params=[pytest.param(name, marks=[pytest.mark.nightly] * (name not in QUICK)) for name in FAMILIES]
)
def family(request):
    return Family(request.param)


@pytest.fixture(scope="module")
def stock(family):
    return family.under(family.model)[0]


class Noise:
    """RandomNoise."""

    def __init__(self, family):
        self.family, self.seed = family, SEED

    def generate_noise(self, latent):
        return self.family.noise()


def same(made, expected):
    return all(torch.equal(*pair) for pair in zip(made, expected, strict=True))


def works(made, stock):
    """Something else than stock, and finite."""
    assert all(torch.isfinite(part).all() for part in made)
    assert not same(made, stock)


def prompts(family):
    return {"positive": family.positive, "negative": family.negative}


def call(key, **inputs):
    node = NODES[key]()
    found = getattr(node, node.FUNCTION)(**inputs)
    return found["result"] if isinstance(found, dict) else found


def test_schedule_guidance(family, stock):
    def made(schedule):
        widgets = {"at_least": 0.0, "start_percent": 0.0, "end_percent": 1.0, "outside": 1.0}
        return family.under(call("ScheduleGuidance", model=family.model, schedule=schedule, **widgets)[0])[0]

    assert same(made("constant"), stock)
    works(made("increasing"), stock)


def test_anneal_conditioning(family, stock):
    def made(strength):
        widgets = {"rescale": 1.0, "tau1": 0.6, "tau2": 0.9, "noise_seed": 0}
        return family.under(call("AnnealConditioning", model=family.model, strength=strength, **widgets)[0])[0]

    assert same(made(0.0), stock)
    works(made(0.25), stock)


def test_perturb_conditioning(family, stock):
    def made(strength):
        perturbed = call("PerturbConditioning", conditioning=family.positive, strength=strength, seed=0)[0]
        return family.under(family.model, positive=perturbed)[0]

    assert same(made(0.0), stock)
    works(made(0.5), stock)


def test_adjust_initial_noise(family, stock):
    def start(gamma):
        widgets = {"rho": 0.5, "gamma": gamma, "iterations": 1}
        inputs = {**prompts(family), "model": family.model, "noise": Noise(family), "sigmas": family.sigmas()}
        return call("AdjustInitialNoiseBatchwise", **inputs, **widgets)[0].generate_noise({"samples": family.latent()})

    if family.nested:
        with pytest.raises(ValueError, match="latent_image holds several latents"):
            start(0.7)
    else:
        assert same(family.run(family.under(family.model)[1], noise=start(0.0)), stock)
        works(family.run(family.under(family.model)[1], noise=start(0.7)), stock)


def test_mix_start_noise(family, stock):
    if family.nested:
        with pytest.raises(ValueError, match="reference holds several latents"):
            call(
                "MixStartNoise",
                model=family.model,
                noise=Noise(family),
                reference={"samples": family.noise()},
                cutoff=0.3,
            )
        return
    reference = {"samples": torch.randn(1, *family.kind.shape, generator=torch.manual_seed(5))}
    for cutoff in (0.0, 0.3):
        mixed = call("MixStartNoise", model=family.model, noise=Noise(family), reference=reference, cutoff=cutoff)[0]
        made = family.run(family.under(family.model)[1], noise=mixed.generate_noise({"samples": family.latent()}))
        if cutoff:
            works(made, stock)
        else:
            assert same(made, stock)


@pytest.mark.parametrize("formula", ["blend", "paper"])
def test_reanchor_guidance(family, stock, formula):
    def made(search_below):
        widgets = {"alternatives": "", "formula": formula, "plain_below": 0.01, "full_from": 0.5, "cfg": CFG}
        inputs = {**prompts(family), "alternative": family_prompt(family.name, 3), "search_below": search_below}
        return family.run(call("ReanchorGuidance", model=family.model, **inputs, **widgets)[0])

    assert same(made(1.0), stock)
    works(made(0.0), stock)


@contextmanager
def single(family):
    """A node that takes one latent at a time refuses a latent that holds several, by the name of its input."""
    if not family.nested:
        yield
        return
    with pytest.raises(ValueError, match="latent_image holds several latents"):
        yield
    pytest.skip("refused by name")


def test_calibrate_and_hold_norms(family, stock):
    inputs = {"model": family.model, "clip": Encoder(family.name), "negative": family.negative}
    ordinary = {
        "ordinary_prompts": "a dog\na cat",
        "seed": 0,
        "n_seeds": 2,
        "latent_image": {"samples": family.latent(1)},
    }
    with single(family):
        norms, report = call("CalibrateNorms", **inputs, **ordinary, **SAMPLER)
    assert "4 ordinary pictures" in report
    assert same(family.under(call("HoldNorms", model=family.model, norms=norms, limit=100.0)[0])[0], stock)
    works(family.under(call("HoldNorms", model=family.model, norms=norms, limit=0.0)[0])[0], stock)


@pytest.mark.parametrize("score_by", SCORES)
def test_detect_memorization(family, score_by):
    if score_by == ENTROPY and family.name not in UNETS:
        pytest.skip("refused by name: tests/host/test_families.py")
    inputs = {**prompts(family), "model": family.model, "latent_image": {"samples": family.latent(1)}, "seed": 0}
    widgets = {**SAMPLER, "n_seeds": 2, "steps": 1, "threshold": 0.0, "score_by": score_by}
    with single(family):
        memorized, score, report, _ = call("DetectMemorization", **inputs, **widgets)
    assert memorized and 0 < score < float("inf") and "start(s)" in report


def test_sweep_plot_estimate_and_trace(family):
    inputs = {**prompts(family), "model": family.model, "latent_image": {"samples": family.latent(1)}, "seed": SEED}
    before = {"before_transition": "zero guidance", "opposite_scale": 2.0}
    points = {"points": 3, "first_percent": 0.0, "last_percent": 1.0}
    with single(family):
        latents, trace, labels = call("TransitionSweep", **inputs, **SAMPLER, **before, **points)
    parts = family.parts(latents["samples"])
    assert len(labels) == 3 and all(len(part) == 3 and part.isfinite().all() for part in parts)
    assert same([part[:1] for part in parts], [part[:1] for part in family.under(family.model, batch=1)[0]])
    drawing = {"quantity": "guidance norm", "x_axis": "timestep", "run": "last", "theme": "light"}
    plot = call("GuidanceNormPlot", trace=trace, width=320, height=240, **drawing)[0]
    assert plot.shape == (1, 240, 320, 3)
    widgets = {**WIDGETS, **SETTINGS, "transition": "static", "static_percent": 1.0, "cfg": CFG, "steps": STEPS}
    _, trace = call("BasinEscapeKSampler", **{**inputs, "latent_image": {"samples": family.latent(2)}}, **widgets)
    percent, _ = call("EstimateStaticTransition", trace=trace, tolerance=0.1)
    assert 0 <= percent <= 1
    assert len(json.loads(trace.to_json())["runs"]) == 1


def test_memorization_map(family):
    inputs = {**prompts(family), "model": family.model, "seed": 0, "timestep": 20.0, "box": 3}
    latent = {"samples": family.noise(2)}
    pictures = not family.nested and len(family.kind.shape) in (3, 4) and family.kind.shape[1:-2] in ((), (1,))
    if not pictures:
        with pytest.raises(ValueError, match="samples is no latent of pictures"):
            call("MemorizationMap", **inputs, samples=latent)
        return
    mask, image, score = call("MemorizationMap", **inputs, samples=latent)
    assert mask.shape == (2, *family.kind.shape[-2:]) and len(image) == 2 and score > 0
    assert torch.equal(mask.amax((1, 2)), torch.ones(2))


@pytest.mark.parametrize("key", ATTENTION)
def test_methods_of_the_cross_attention(family, stock, key):
    """The others need a text encoder: tests/host/test_attention.py."""
    if family.name not in UNETS:
        pytest.skip("refused by name: tests/host/test_families.py")
    guided = prompts(family) if key == "GUARDGuider" else {}
    found = call(key, model=family.model, **guided, **ATTENTION[key])[0]
    works(family.run(found) if guided else family.under(found)[0], stock)
