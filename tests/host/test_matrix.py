"""Every sampler of the host with every scheduler.

Every pair runs with `off`, by the patch and by the guider, against stock. Of the other settings a pair runs one, by
turns along both lists: so every sampler and every scheduler meets every setting (as many of each as there are settings
follow one another), and all pairs of sampler and scheduler are there. The full product would take six times as long.
"""

import math

import comfy.samplers
import pytest
import torch
from basin_escape.samplers.host.patch import WrappersMP, patch_model
from basin_escape.samplers.settings import Settings
from basin_escape.samplers.trace import GuidanceTrace
from basin_escape.tests.support import rule

from .conftest import MEMORIZED

SAMPLERS, SCHEDULERS = comfy.samplers.KSampler.SAMPLERS, comfy.samplers.KSampler.SCHEDULERS
STEPS, BATCH, CFG = 6, 2, 7.5
SETTINGS = {
    "static zero": Settings("static"),
    "static opposite": Settings("static", "opposite guidance"),
    "dynamic zero": Settings("dynamic"),
    "dynamic opposite": Settings("dynamic", "opposite guidance", latest_percent=1.0),
    "gated": Settings("dynamic", memorization_threshold=0.9),
    "escape zero": Settings("escape"),
}
PAIRS = [
    (sampler, scheduler, list(SETTINGS)[(row + column) % len(SETTINGS)])
    for row, sampler in enumerate(SAMPLERS)
    for column, scheduler in enumerate(SCHEDULERS)
]
# These two take the schedule's ends alone and walk their own noise levels, the second as many as it needs.
OWN_LEVELS, ADAPTIVE = ("dpm_fast", "dpm_adaptive"), "dpm_adaptive"


def watched(testbed):
    """A model that counts its calls per sample, and the noise levels at which the sampler asked for a prediction."""
    model, calls = testbed.counted()
    asked = []
    model.set_model_sampler_post_cfg_function(lambda args: asked.append(args["sigma"][0].item()) or args["denoised"])
    return model, calls, asked


def new_minima(asked):
    return sum(sigma < min(asked[:call], default=math.inf) for call, sigma in enumerate(asked))


def check_rule(run, settings, percent_to_sigma):
    """The recorded decisions are what the rule makes of the recorded norms."""
    sigmas, scales = run.quantity("sigma")[:, 0].tolist(), run.quantity("scale")
    before = 0.0 if settings.before_transition == "zero guidance" else -settings.opposite_scale
    pulls = run.quantity("pull") if settings.transition == "escape" else torch.ones_like(scales)
    for sample in range(BATCH):
        norms, guided_pulls = run.quantity("guidance_norm")[:, sample].tolist(), (CFG * pulls[:, sample]).tolist()
        own = [d > 0 for d in norms]  # a norm of 0, where a sampler runs away, decides nothing
        step = rule.transition(settings, norms, guided_pulls, sigmas, percent_to_sigma, run.elements, own)
        assert run.transition_step[sample] == step
        first = len(sigmas) if step < 0 else step
        assert scales[:, sample].tolist() == [before] * first + [CFG] * (len(sigmas) - first)


@pytest.mark.parametrize(("sampler", "scheduler", "name"), PAIRS)
def test_every_sampler_and_scheduler(testbed, sampler, scheduler, name):
    options = {"sampler": sampler, "scheduler": scheduler, "steps": STEPS, "batch": BATCH, "cfg": CFG}
    schedule = comfy.samplers.KSampler(testbed.model, STEPS, "cpu", sampler, scheduler).sigmas
    levels = [sigma for sigma in schedule.tolist() if sigma > 0]
    plain, plain_calls, _ = watched(testbed)
    stock = testbed.stock(MEMORIZED, model=plain, **options)

    for settings in (Settings("off"), SETTINGS[name]):
        untouched = settings.transition == "off" or name == "gated"
        model, patch_calls, asked = watched(testbed)
        patched = testbed.stock(MEMORIZED, model=patch_model(model, settings, trace := GuidanceTrace()), **options)
        guider_model, guider_calls, guider_asked = watched(testbed)
        guided, run = testbed.guided(settings, MEMORIZED, model=guider_model, **options)

        for samples, calls, made in ((patched, patch_calls, asked), (guided, guider_calls, guider_asked)):
            assert samples.shape == stock.shape and samples.isfinite().all()
            assert calls() == 2 * BATCH * len(made)
            assert calls() == plain_calls() or (sampler == ADAPTIVE and not untouched)
            assert torch.equal(samples, stock) or not untouched
        assert run.steps == len(rule.observations(guider_asked, levels))
        assert run.steps == len(levels) or sampler in OWN_LEVELS
        if WrappersMP is None:  # the patch is not told the schedule
            assert trace.runs[0].steps == new_minima(asked)
        else:
            assert torch.equal(patched, guided)
            assert trace.runs[0].steps == run.steps
        if settings.mitigates:
            check_rule(run, settings, testbed.model.get_model_object("model_sampling").percent_to_sigma)
