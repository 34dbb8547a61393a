"""The scores of Detect Memorization: what they measure on which start, and what they cost."""

import comfy.sample
import comfy.samplers
import pytest
import torch
from basin_escape.benchmarks.measure import NODES, WIDGETS
from basin_escape.nodes.detection_scores import SCORES
from basin_escape.samplers.attention import probabilities
from basin_escape.samplers.host.attention import layers
from basin_escape.tests.support.gaussian import denoised, load_gaussian, prompt

from .conftest import MEMORIZED, ORDINARY, SEED, Testbed

CALLS = {"guidance norm": 2, "anisotropy": 4, "prediction change": 6, "last step": 100, "attention entropy": 1}


@pytest.fixture(scope="module")
def learned():
    return Testbed("learned")


def detect(score_by, model, positive, negative, latent, n_seeds=2, **changes):
    widgets = {name: WIDGETS[name] for name in ("sampler_name", "scheduler", "cfg")}
    start = {"latent_image": latent, "seed": SEED, "n_seeds": n_seeds, "steps": 1, **widgets, **changes}
    return NODES["DetectMemorization"]().detect(model, positive, 0.01, score_by=score_by, negative=negative, **start)


def on(bed, score_by, text=MEMORIZED, model=None, **changes):
    return detect(score_by, model or bed.model, bed.encode(text), bed.encode(""), bed.latent(1), **changes)


def test_every_score_is_offered_and_the_first_is_the_default():
    choices, options = NODES["DetectMemorization"].INPUT_TYPES()["optional"]["score_by"]
    assert choices == list(SCORES) == list(CALLS) and options["default"] == "guidance norm"


@pytest.mark.parametrize("score_by", CALLS)
def test_a_score_costs_what_its_tooltip_says_and_is_the_mean_of_its_starts(learned, score_by):
    counted, calls = learned.counted()
    memorized, score, report, _ = on(learned, score_by, model=counted)
    assert calls() == 2 * CALLS[score_by]
    assert memorized == (score >= 0.01) and f", {score_by}, mean of 2 start(s)" in report
    if score_by not in ("attention entropy", "last step"):
        assert on(learned, score_by, ORDINARY)[1] < score


def start_noise(shape, n=2):
    return comfy.sample.prepare_noise(torch.zeros(n, *shape), SEED)


def test_anisotropy_is_the_first_norm_and_a_cosine_at_low_noise():
    shape = (5, 6, 8)
    model = load_gaussian(shape)
    pair = prompt(1.0), prompt(-2.0)
    latent = {"samples": torch.zeros(1, *shape)}
    sampling = model.get_model_object("model_sampling")
    sigma = torch.tensor(float(sampling.percent_to_sigma(1 - 41 / 1000)))
    x = start_noise(shape) * (1 + sigma**2).sqrt()
    noise = (x - denoised(x, sigma, -2.0)).movedim(1, -1)  # by sigma, as every cosine
    cosine = torch.nn.functional.cosine_similarity(noise, -torch.ones_like(noise), dim=-1).mean()
    norm = detect("guidance norm", model, *pair, latent)[1]
    expected = norm + 2 / 128 * cosine.item()
    assert detect("anisotropy", model, *pair, latent)[1] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("sampler", ["euler", "heun"])
def test_the_prediction_change_is_that_of_the_written_out_steps(sampler):
    shape, cfg = (4, 6, 6), 7.5
    model = load_gaussian(shape)
    sigmas = comfy.samplers.KSampler(model, 50, "cpu", sampler, "normal").sigmas[:3]

    def slope(x, sigma):
        cond, uncond = denoised(x, sigma, 1.0), denoised(x, sigma, -2.0)
        return (x - uncond - cfg * (cond - uncond)) / sigma, (x - cond) / sigma

    x, noises = start_noise(shape) * (1 + sigmas[0] ** 2).sqrt(), []
    for k in range(3):
        d, noise = slope(x, sigmas[k])
        noises.append(noise)
        if k < 2:
            step = sigmas[k + 1] - sigmas[k]
            x = x + step * (d if sampler == "euler" else (d + slope(x + step * d, sigmas[k + 1])[0]) / 2)
    expected = (noises[2] - noises[1]).square().mean().item()
    latent = {"samples": torch.zeros(1, *shape)}
    found = detect("prediction change", model, prompt(1.0), prompt(-2.0), latent, sampler_name=sampler)[1]
    assert found == pytest.approx(expected, rel=1e-3)


def test_attention_entropy_is_that_of_the_fourth_layers_prompt_rows(learned):
    seen, fourth = [], layers(learned.model)[3][:2]

    def attend(q, k, v, extra):
        if extra["block"] == fourth:
            prompts = torch.tensor(extra["cond_or_uncond"]).repeat_interleave(2) == 0
            seen.append(probabilities(q[prompts], k[prompts], extra["n_heads"]).mean(1))
        split = (values.unflatten(2, (extra["n_heads"], -1)).transpose(1, 2) for values in (q, k, v))
        return torch.nn.functional.scaled_dot_product_attention(*split).transpose(1, 2).flatten(2)

    watched = learned.model.clone()
    watched.set_model_attn2_replace(attend, *fourth)
    learned.stock(MEMORIZED, model=watched, steps=2, noise=learned.noise())
    expected = -(seen[0] * seen[0].log()).sum(1).mean().item() / torch.tensor(12.0).log().item()
    assert on(learned, "attention entropy")[1] == pytest.approx(expected, rel=1e-3)


def test_entropy_is_refused_where_there_is_no_cross_attention():
    with pytest.raises(ValueError, match="has no cross-attention"):
        on(Testbed("eps"), "attention entropy")
