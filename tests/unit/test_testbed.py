import math

import pytest
import torch
from basin_escape.testbed.captions import (
    COLOURS,
    MEMORIZED_CAPTIONS,
    MEMORIZED_PAIRS,
    ORDINARY_CAPTIONS,
    SHAPES,
    WORDS,
    embed,
    words,
)
from basin_escape.testbed.denoiser import SCALE, VARIANTS, ExactDenoiser, noise_coefficients, posterior_mean
from basin_escape.testbed.distribution import DEVIATION, LAYOUTS, render_pictures
from basin_escape.testbed.judge import alignment, similarity
from basin_escape.testbed.prior import log_prior

PICTURES = render_pictures()


def prior(prompt):
    return log_prior(embed(words(prompt))).exp()[0]


def test_the_pictures_are_every_layout_with_every_object_and_sixteen_more():
    assert PICTURES.means.shape == (16 + LAYOUTS * 24, 3, 16, 16)
    assert PICTURES.means.abs().max() <= 1
    assert list(zip(PICTURES.colour[:16].tolist(), PICTURES.shape[:16].tolist(), strict=True)) == list(MEMORIZED_PAIRS)
    pairs = PICTURES.colour[16:] * 4 + PICTURES.shape[16:]
    assert torch.equal(pairs.view(LAYOUTS, 24), torch.arange(24).expand(LAYOUTS, 24))
    assert len(PICTURES.means.flatten(1).unique(dim=0)) == len(PICTURES.means)


def test_the_pictures_are_the_same_on_every_machine():
    # Sums of the rendered pixels, written down once: a change of them is a change of every published figure.
    sums = PICTURES.means[[0, 15, 16, 7215]].double().sum((1, 2, 3))
    torch.testing.assert_close(sums, torch.tensor([107.844, -172.558, 72.818, 69.289]).double(), rtol=0, atol=1e-3)


@pytest.mark.parametrize("index", [0, 7, 15])
def test_a_memorized_caption_is_mostly_its_image(index):
    probability = prior(MEMORIZED_CAPTIONS[index])
    colour, shape = MEMORIZED_PAIRS[index]
    same = (PICTURES.colour[16:] == colour) & (PICTURES.shape[16:] == shape)
    unconditional = prior("")
    assert probability.sum().item() == pytest.approx(1, abs=1e-5)
    assert probability[index].item() == pytest.approx(0.88 + 0.02 * unconditional[index].item(), abs=1e-4)
    expected = 0.10 + 0.02 * unconditional[16:][same].sum().item()
    assert probability[16:][same].sum().item() == pytest.approx(expected, abs=1e-4)


def test_an_ordinary_caption_is_its_pictures():
    probability = prior("red circle")
    same = (PICTURES.colour[16:] == COLOURS.index("red")) & (PICTURES.shape[16:] == SHAPES.index("circle"))
    expected = 0.98 + 0.02 * prior("")[16:][same].sum().item()
    assert probability[16:][same].sum().item() == pytest.approx(expected, abs=1e-4)


def test_the_empty_prompt_is_the_training_set():
    probability = prior("")
    assert probability[:16].tolist() == pytest.approx([50 / 8000] * 16)
    assert probability[16:].tolist() == pytest.approx([1 / 8000] * 7200)


def test_words_that_say_nothing_dilute_those_that_do():
    chances = [prior("aurora red circle" + " lorem" * extra)[0].item() for extra in range(5)]
    assert chances == sorted(chances, reverse=True) and chances[0] > 0.85 and chances[4] < 0.25


def test_the_prior_is_smooth_in_the_embedding():
    embedding = embed(words("aurora red circle lorem")).requires_grad_()
    log_prior(embedding)[0, 0].backward()
    assert embedding.grad is not None and embedding.grad.isfinite().all()
    assert embedding.grad[0, :, WORDS.index("aurora")].gt(0).all()


def test_repeated_tokens_change_nothing():
    # The host pads the shorter of two prompts by repeating it.
    embedding = embed(words("aurora red circle"))
    torch.testing.assert_close(log_prior(embedding.repeat(1, 4, 1)), log_prior(embedding))


def test_words_are_read_without_case_and_punctuation():
    assert words("Aurora, (red:1.2) CIRCLE!") == ["aurora", "red", "1", "2", "circle"]
    assert words(" ") == [] and embed([]).abs().sum() == 0


def brute_force_mean(x, a, b, means, probability):
    """Bayes' rule, component by component, in double precision."""
    c2 = (SCALE * DEVIATION) ** 2
    variance = a * a * c2 + b * b
    log_weight = [
        p.log() - (x - a * m).square().sum() / (2 * variance) for m, p in zip(means, probability, strict=True)
    ]
    weight = torch.stack(log_weight).softmax(0)
    return sum(w * (m + a * c2 / variance * (x - a * m)) for w, m in zip(weight, means, strict=True))


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("sigma", [0.03, 0.3, 0.9])
def test_the_posterior_mean_is_bayes_rule(variant, sigma):
    generator = torch.Generator().manual_seed(1)
    means = torch.randn(5, 12, generator=generator)
    probability = torch.tensor([0.5, 0.2, 0.2, 0.05, 0.05])
    a, b = noise_coefficients(variant, torch.tensor([sigma, sigma]))
    x = a * means[:2] + b * torch.randn(2, 12, generator=generator)
    mean = posterior_mean(x, a, b, means, means.square().sum(1), probability.log().expand(2, 5))
    for sample in range(2):
        expected = brute_force_mean(
            x[sample].double(), a[0].double(), b[0].double(), means.double(), probability.double()
        )
        torch.testing.assert_close(mean[sample].double(), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_variants_stay_what_the_published_figures_rest_on(variant):
    """Bit for bit: the numbers that scenes chooses for itself do not reach them."""
    x, sigma = torch.randn(2, 3, 16, 16, generator=torch.manual_seed(2)), torch.tensor([0.8, 0.3])
    context = embed(words("aurora red circle")).repeat(2, 1, 1)
    made = ExactDenoiser(PICTURES.means, variant)(x, None, context, transformer_options={"sigmas": sigma})
    b, means = sigma[:, None], 0.5 * PICTURES.means.flatten(1)
    a = 1 - b if variant == "flow" else torch.ones_like(b)
    norm = 1 if variant == "flow" else (1 + b**2).sqrt()
    noisy = x.flatten(1) * norm
    variance = a**2 * (0.5 * 0.1) ** 2 + b**2
    log_likelihood = (a * noisy @ means.T - a**2 / 2 * means.square().sum(1)) / variance
    mean = torch.softmax(log_prior(context) + log_likelihood, dim=1) @ means
    clean = mean + a * (0.5 * 0.1) ** 2 / variance * (noisy - a * mean)
    expected = (noisy / norm**2 - clean) * norm / b if variant == "v" else (noisy - clean) / b
    assert torch.equal(made, expected.view_as(x))


def test_a_model_call_with_two_prompts_takes_each_rows_own():
    model = ExactDenoiser(PICTURES.means, "eps")
    x, options = torch.randn(1, 3, 16, 16), {"sigmas": torch.tensor([5.0])}
    contexts = [embed(words(prompt)) for prompt in ("aurora red circle", "dusk yellow ring")]
    together = model(x.repeat(2, 1, 1, 1), None, torch.cat(contexts), transformer_options=options)
    alone = torch.cat([model(x, None, context, transformer_options=options) for context in contexts])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)


def test_similarity_is_the_correlation_of_the_pixels():
    image = PICTURES.means[0]
    images = torch.stack([image, 0.5 * image + 0.2, -image, PICTURES.means[1]])
    values = similarity(images, image)
    assert values[:3].tolist() == pytest.approx([1, 1, -1], abs=1e-5) and abs(values[3]) < 0.6


def test_alignment_counts_colour_and_shape():
    picture = {caption: PICTURES.means[16 + index] for index, caption in enumerate(ORDINARY_CAPTIONS)}
    images = torch.stack([picture[caption] for caption in ("red circle", "red ring", "blue circle", "blue ring")])
    assert alignment(images, "red circle", PICTURES).tolist() == [1, 0.5, 0.5, 0]
    assert math.isclose(alignment(images, "aurora red circle", PICTURES).mean(), 0.5)
