"""The decomposition of a run's latents, against what the sampler showed on the way and the picture it made."""

import comfy.model_sampling
import comfy.samplers
import pytest
import torch
from basin_escape.benchmarks.measure import NODES
from basin_escape.samplers.host.before_run import noising
from basin_escape.samplers.host.guider import BasinEscapeCFGGuider
from basin_escape.samplers.settings import Settings
from basin_escape.samplers.trace import GuidanceTrace
from basin_escape.tests.support.gaussian import load_gaussian, prompt

SHAPE, BATCH, STEPS = (4, 8, 8), 2, 6


def run(sampler="euler", model=None, interrupt=False):
    """Samples, the trace, and the noisy latents as the sampler's callback showed them."""
    guider, shown = BasinEscapeCFGGuider(model or load_gaussian(SHAPE), Settings("off"), GuidanceTrace()), []
    guider.set_conds(prompt(1.0), prompt(-1.0))
    guider.set_cfg(5.0)

    def callback(step, denoised, x, total):
        shown.append(x.clone())
        if interrupt:
            raise InterruptedError

    noise = torch.randn(BATCH, *SHAPE, generator=torch.manual_seed(3))
    sigmas = comfy.samplers.KSampler(guider.model_patcher, STEPS, "cpu", sampler, "normal").sigmas
    built, options = comfy.samplers.sampler_object(sampler), {"callback": callback, "disable_pbar": True, "seed": 0}
    return guider.sample(noise, torch.zeros_like(noise), built, sigmas, **options), guider.trace, shown, sigmas


@pytest.mark.parametrize("sampler", ["euler", "dpmpp_2m"])
def test_weights_are_the_least_squares_fit_of_the_runs_own_end_and_start(sampler):
    samples, trace, shown, sigmas = run(sampler)
    found = trace.runs[0]
    assert found.quantity("image_weight").shape == (STEPS, BATCH)
    scaled = [x / (1 + sigma**2).sqrt() for x, sigma in zip(shown, sigmas, strict=False)]
    for step, x in enumerate(scaled):
        for sample in range(BATCH):
            sides = torch.stack([samples[sample].flatten(), scaled[0][sample].flatten()], 1)
            fit = torch.linalg.lstsq(sides, x[sample].flatten()[:, None]).solution.flatten().tolist()
            values = [found.quantity(name)[step, sample].item() for name in ("image_weight", "noise_weight")]
            assert values == pytest.approx(fit, abs=1e-3)
    ahead = found.quantity("image_weight") - 1 / (1 + sigmas[:-1, None] ** 2).sqrt()
    torch.testing.assert_close(found.quantity("image_ahead")[-1], ahead.sum(0), rtol=1e-3, atol=1e-3)


def test_what_the_host_mixes_noisy_latents_of():
    class Flow(comfy.model_sampling.ModelSamplingDiscreteFlow, comfy.model_sampling.CONST):
        pass

    class Eps(comfy.model_sampling.ModelSamplingDiscrete, comfy.model_sampling.EPS):
        pass

    assert noising(Eps())(3.0) == (1.0, 3.0)
    assert noising(Flow())(0.25) == (0.75, 0.25)


def test_the_plot_draws_them_and_says_where_there_are_none(tmp_path):
    trace, plot = run()[1], NODES["GuidanceNormPlot"]().plot
    for quantity in ("image and noise weights", "deviation scores"):
        image = plot(trace, quantity, "timestep", "last", 512, 384, "light")["result"][0]
        assert image.shape == (1, 384, 512, 3)
    del trace.runs[0].series["image_weight"]
    with pytest.raises(ValueError, match="quantity is image and noise weights, but this run has none"):
        plot(trace, "image and noise weights", "timestep", "last", 512, 384, "light")


def test_an_interrupted_run_has_none_and_fails_in_nothing_else():
    with pytest.raises(InterruptedError):
        run(interrupt=True)
