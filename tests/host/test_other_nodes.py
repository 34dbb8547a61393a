"""Beside other nodes of ComfyUI that guide: its guiders, RescaleCFG, CFGOverride and the like. They are part of a
checkout only; the library on PyPI has no module to run them with."""

import importlib

import comfy.samplers
import pytest
import torch
from basin_escape.benchmarks.measure import NODES, WIDGETS, count_calls
from basin_escape.samplers.host.guider import BasinEscapeCFGGuider
from basin_escape.samplers.host.patch import patch_model
from basin_escape.samplers.settings import Settings
from basin_escape.samplers.trace import GuidanceTrace
from basin_escape.testbed.learned_judge import COPY_SIMILARITY, similarity
from basin_escape.tests.support import rule
from basin_escape.tests.support.gaussian import guidance_norm, load_gaussian, prompt

from .conftest import Testbed, run_guider

pytest.importorskip("node_helpers", reason="needs a ComfyUI checkout (make test-server)", exc_type=ImportError)

SHAPE, STEPS, CFG = (4, 8, 8), 12, 3.0
POSITIVE, MIDDLE, NEGATIVE, EMPTY = prompt(0.5), prompt(0.25), prompt(-0.5), prompt(0.0)
OFF, GATED = Settings("off"), Settings(memorization_threshold=0.99)
NEVER = Settings("static", static_percent=1.0)
FROM_THE_START = Settings("static", static_percent=0.0)
HALF = Settings("static", static_percent=0.5)


def run_node(module, name, **inputs):
    """The first output of one of the host's nodes; skips where this host does not have it."""
    node = getattr(importlib.import_module(f"comfy_extras.{module}"), name, None)
    if node is None:
        pytest.skip(f"this ComfyUI has no {name}")
    if hasattr(node, "execute"):
        return node.execute(**inputs).result[0]
    return getattr(node(), node.FUNCTION)(**inputs)[0]


@pytest.fixture(scope="module")
def model():
    return load_gaussian(SHAPE)


def patched(model, settings):
    return patch_model(model, settings, GuidanceTrace())


def sample(guider):
    return run_guider(guider, torch.randn(2, *SHAPE, generator=torch.Generator().manual_seed(3)), STEPS)


def cfg_guider(model, positive=POSITIVE, negative=NEGATIVE, cfg=CFG):
    guider = comfy.samplers.CFGGuider(model)
    guider.set_conds(positive, negative)
    guider.set_cfg(cfg)
    return guider


def own_guider(model, settings, cfg=CFG, positive=POSITIVE):
    guider = BasinEscapeCFGGuider(model, settings, GuidanceTrace())
    guider.set_conds(positive, NEGATIVE)
    guider.set_cfg(cfg)
    return guider


def close(samples, expected):
    torch.testing.assert_close(samples, expected, rtol=0, atol=1e-4)


def test_basic_guider_passes_through(model, caplog):
    guider = run_node(
        "nodes_custom_sampler",
        "BasicGuider",
        model=patch_model(model, NEVER, trace := GuidanceTrace()),
        conditioning=POSITIVE,
    )
    assert torch.equal(sample(guider), sample(cfg_guider(model, cfg=1.0)))
    assert trace.runs == [] and "no guidance to switch" in caplog.text


class TestPerpNegGuider:
    """Its empty prompt is the paper's, and the negative one has no say before the transition."""

    def guider(self, model, negative=NEGATIVE, positive=POSITIVE):
        conds = {"positive": positive, "negative": negative, "empty_conditioning": EMPTY}
        return run_node("nodes_perpneg", "PerpNegGuider", model=model, cfg=CFG, neg_scale=1.0, **conds)

    @pytest.mark.parametrize("settings", [OFF, GATED, FROM_THE_START])
    def test_untouched_is_stock(self, model, settings):
        assert torch.equal(sample(self.guider(patched(model, settings))), sample(self.guider(model)))

    def test_zero_guidance_throughout_is_the_empty_prompt_alone(self, model):
        samples = sample(self.guider(patched(model, NEVER)))
        close(samples, sample(cfg_guider(model, EMPTY, cfg=1.0)))
        assert torch.equal(sample(self.guider(patched(model, NEVER), negative=MIDDLE)), samples)


class TestDualCFGGuider:
    def guider(self, model, style, positive=POSITIVE):
        conds = {"cond1": positive, "cond2": MIDDLE, "negative": NEGATIVE}
        scales = {"cfg_conds": CFG, "cfg_cond2_negative": 2.0}
        return run_node("nodes_custom_sampler", "DualCFGGuider", model=model, style=style, **conds, **scales)

    @pytest.mark.parametrize("style", ["regular", "nested"])
    def test_off_is_stock(self, model, style):
        assert torch.equal(sample(self.guider(patched(model, OFF), style)), sample(self.guider(model, style)))

    def test_the_regular_style_is_refused_before_anything_is_sampled(self, model):
        stock = sample(self.guider(model, "regular"))
        guider = self.guider(patched(model, NEVER), "regular")
        with pytest.raises(ValueError, match=r"DualCFGGuider in its regular style.*Set its style to nested"):
            sample(guider)
        assert torch.equal(sample(self.guider(model, "regular")), stock)

    def test_in_the_nested_style_the_first_prompt_waits_and_the_second_one_acts(self, model):
        samples = sample(self.guider(patched(model, NEVER), "nested"))
        close(samples, sample(self.guider(model, "nested", positive=MIDDLE)))
        assert torch.equal(sample(self.guider(patched(model, GATED), "nested")), sample(self.guider(model, "nested")))


class TestDualModelGuider:
    """The negative prediction comes from a model of its own."""

    def guider(self, model, other):
        conds = {"positive": POSITIVE, "negative": NEGATIVE}
        return run_node("nodes_custom_sampler", "DualModelGuider", model=model, model_negative=other, cfg=CFG, **conds)

    @pytest.mark.parametrize("settings", [OFF, GATED])
    def test_untouched_is_stock(self, model, settings):
        other = load_gaussian(SHAPE)
        assert torch.equal(sample(self.guider(patched(model, settings), other)), sample(self.guider(model, other)))

    def test_zero_guidance_throughout_is_the_other_models_prediction_alone(self, model):
        samples = sample(self.guider(patched(model, NEVER), load_gaussian(SHAPE)))
        close(samples, sample(cfg_guider(model, NEGATIVE, cfg=1.0)))


class TestRescaleCFG:
    def rescaled(self, model):
        return run_node("nodes_model_advanced", "RescaleCFG", model=model, multiplier=0.7)

    def test_before_or_after_the_patch_is_the_same(self, model):
        before = sample(cfg_guider(patched(self.rescaled(model), HALF)))
        assert torch.equal(sample(cfg_guider(self.rescaled(patched(model, HALF)))), before)
        assert torch.equal(sample(own_guider(self.rescaled(model), HALF)), before)
        assert not torch.equal(before, sample(cfg_guider(patched(model, HALF))))

    @pytest.mark.parametrize("settings", [OFF, GATED, FROM_THE_START])
    def test_untouched_is_stock(self, model, settings):
        stock = sample(cfg_guider(self.rescaled(model)))
        assert torch.equal(sample(cfg_guider(patched(self.rescaled(model), settings))), stock)

    def test_it_has_no_say_before_the_transition(self, model):
        assert torch.equal(
            sample(cfg_guider(patched(self.rescaled(model), NEVER))), sample(cfg_guider(patched(model, NEVER)))
        )


class TestCFGOverride:
    def overridden(self, model, cfg, start=0.0, end=1.0):
        range_ = {"start_percent": start, "end_percent": end}
        return run_node("nodes_custom_sampler", "CFGOverride", model=model, cfg=cfg, **range_)

    @pytest.mark.parametrize("settings", [OFF, GATED])
    def test_untouched_is_stock(self, model, settings):
        stock = sample(cfg_guider(self.overridden(model, 2.0, 0.3, 0.6)))
        assert torch.equal(sample(cfg_guider(patched(self.overridden(model, 2.0, 0.3, 0.6), settings))), stock)
        assert torch.equal(sample(own_guider(self.overridden(model, 2.0, 0.3, 0.6), settings)), stock)

    def test_its_scale_counts_after_the_transition(self, model):
        expected = sample(own_guider(model, HALF, cfg=2.0))
        assert torch.equal(sample(own_guider(self.overridden(model, 2.0), HALF)), expected)
        assert torch.equal(sample(cfg_guider(patched(self.overridden(model, 2.0), HALF))), expected)
        assert torch.equal(sample(cfg_guider(self.overridden(patched(model, HALF), 2.0))), expected)

    def test_the_trace_tells_the_overridden_scale(self, model):
        guider = own_guider(self.overridden(model, 2.0, 0.5), OFF)
        sample(guider)
        assert guider.trace.runs[0].quantity("scale")[:, 0].tolist() == [CFG] * 6 + [2.0] * 6

    def test_a_scale_of_0_is_a_static_zero_guidance_without_the_rest(self, model):
        close(sample(cfg_guider(self.overridden(model, 0.0, 0.0, 0.49))), sample(own_guider(model, HALF)))

    def test_cfg_1_in_a_range_leaves_the_rule_alone(self, model):
        """Where the host would drop the negative pass, a mitigated run keeps it."""
        close(sample(own_guider(self.overridden(model, 1.0), NEVER)), sample(own_guider(model, NEVER)))


RESHAPING = {
    "Mahiro": ("nodes_mahiro", {}),
    "CFGZeroStar": ("nodes_cfg", {}),
    "CFGNorm": ("nodes_cfg", {"strength": 1.0}),
    "APG": ("nodes_apg", {"eta": 1.0, "norm_threshold": 5.0, "momentum": 0.0}),
    "TCFG": ("nodes_tcfg", {}),
    # This model's guidance is the same everywhere in an image: all of it is the lowest frequency.
    "FreSca": ("nodes_fresca", {"scale_low": 0.5, "scale_high": 1.25, "freq_cutoff": 2}),
}


@pytest.mark.parametrize("name", RESHAPING)
class TestNodesThatReshapeGuidance:
    """What "works" stands for in README: before or after the patch, and under the pack's guider."""

    def ways(self, model, name, settings, positive=POSITIVE):
        """The guiders of a node and a rule in each order, each with the trace that its run goes into."""
        module, widgets = RESHAPING[name]
        other = run_node(module, name, model=model, **widgets)
        for order in ("before", "after"):
            trace = GuidanceTrace()
            patched = patch_model(other if order == "before" else model, settings, trace)
            both = patched if order == "before" else run_node(module, name, model=patched, **widgets)
            yield cfg_guider(both, positive), trace
        yield (guider := own_guider(other, settings, positive=positive)), guider.trace

    def alone(self, model, name):
        module, widgets = RESHAPING[name]
        return cfg_guider(run_node(module, name, model=model, **widgets))

    @pytest.mark.parametrize("settings", [OFF, GATED, FROM_THE_START])
    def test_untouched_is_stock_at_stocks_calls(self, model, name, settings):
        counted, calls = count_calls(model)
        stock = sample(self.alone(counted, name))
        assert not torch.equal(stock, sample(cfg_guider(model)))
        for run, (guider, _) in enumerate(self.ways(counted, name, settings), 2):
            assert torch.equal(sample(guider), stock) and calls() == 2 * STEPS * 2 * run  # a batch of two, a pair each

    def test_before_the_transition_neither_the_prompt_nor_the_node_has_a_say(self, model, name):
        alone = sample(cfg_guider(patched(model, NEVER)))
        close(alone, sample(cfg_guider(model, NEGATIVE, cfg=1.0)))
        for positive in (POSITIVE, MIDDLE):
            for guider, _ in self.ways(model, name, NEVER, positive):
                assert torch.equal(sample(guider), alone)

    def test_it_acts_from_the_transition_on(self, model, name):
        first, *others = [sample(guider) for guider, _ in self.ways(model, name, HALF)]
        assert all(torch.equal(other, first) for other in others)
        assert not torch.equal(first, sample(cfg_guider(patched(model, HALF))))

    @pytest.mark.parametrize("settings", [OFF, NEVER, HALF])
    def test_recorded_norms_are_of_the_models_own_predictions(self, model, name, settings):
        difference = torch.ones(SHAPE)  # of the means of the two prompts
        for guider, trace in self.ways(model, name, settings):
            sample(guider)
            run = trace.runs[-1]
            expected = guidance_norm(run.quantity("sigma"), difference)
            torch.testing.assert_close(run.quantity("guidance_norm"), expected, rtol=1e-3, atol=1e-4)


class TestEasyCache:
    """The host's step cache at its own threshold, on the trained network."""

    def cached(self, bed):
        widgets = {"reuse_threshold": 0.2, "start_percent": 0.15, "end_percent": 0.95, "verbose": False}
        return run_node("nodes_easycache", "EasyCacheNode", model=bed.model, **widgets)

    def test_every_point_of_a_sweep_is_a_single_run_beside_it(self):
        bed = Testbed("learned")
        shared = {"model": self.cached(bed), "positive": bed.encode(bed.prompts.splitlines()[0])}
        shared |= {"negative": bed.encode(""), "latent_image": bed.latent(1), "seed": 3, "steps": 20, "cfg": 7.5}
        shared |= {"sampler_name": "euler", "scheduler": "normal", "before_transition": "zero guidance"}
        points = {"opposite_scale": 2.0, "points": 2, "first_percent": 0.2, "last_percent": 0.8}
        latents, _, _ = NODES["TransitionSweep"]().sweep(**shared, **points)
        for percent, swept in zip((0.2, 0.8), latents["samples"], strict=True):
            single = {**WIDGETS, **shared, "transition": "static", "static_percent": percent}
            latent, _ = NODES["BasinEscapeKSampler"]().sample(**single)
            assert torch.equal(latent["samples"][0], swept)

    @pytest.mark.parametrize("before", ["zero guidance", "opposite guidance"])
    def test_what_it_answers_decides_nothing(self, before):
        bed, answered = Testbed("learned"), []
        model = self.cached(bed)

        def note(args):
            answered.append(args["model_options"]["transformer_options"]["easycache"].skip_current_step)
            return args["conds_out"]

        model.set_model_sampler_pre_cfg_function(note)
        settings, caption = Settings("dynamic", before, latest_percent=1.0), bed.prompts.splitlines()[0]
        samples, run = bed.guided(settings, caption, model=model, steps=50, batch=4)
        assert 5 < sum(answered) < 45
        norms, sigmas = run.quantity("guidance_norm").T.tolist(), run.quantity("sigma")[:, 0].tolist()
        for seen, step in zip(norms, run.transition_step.tolist(), strict=True):
            pairs = zip(rule.computed(seen, sigmas), answered, strict=True)
            own = [computed and not cached for computed, cached in pairs]
            assert step == rule.transition(settings, seen, [], sigmas, lambda percent: 0.0, run.elements, own) > 0
        assert f"a step cache answered {sum(answered)} of 50 model calls" in run.status.text
        assert similarity(bed.vae.decode(samples), bed.memorized[0]).max() < COPY_SIMILARITY
