import pytest
import torch
from basin_escape.testbed.captions import MEMORIZED_CAPTIONS, ORDINARY_CAPTIONS, TITLES, embed, words
from basin_escape.testbed.denoiser import SCALE, ExactDenoiser
from basin_escape.testbed.distribution import DEVIATION, LAYOUTS
from basin_escape.testbed.judge import similarity
from basin_escape.testbed.prior import log_prior
from basin_escape.testbed.scenarios import COPIES, SCENARIOS

SMALL, LABELS, DUPLICATES, TRIGGERS = (build() for build in SCENARIOS.values())


def prior(scenario, prompt):
    return scenario.log_prior(embed(words(prompt))).exp()[0]


@pytest.mark.parametrize("prompt", ["", "aurora", "red circle", "dusk blue ring", "a red circle, aurora and ember too"])
@pytest.mark.parametrize("name", SCENARIOS)
def test_a_prior_gives_every_picture_a_share_of_one(name, prompt):
    scenario = SCENARIOS[name]()
    probability = prior(scenario, prompt)
    assert len(probability) == len(scenario.pictures.means) and probability.min() > 0
    assert probability.sum().item() == pytest.approx(1, abs=1e-5)
    padded = embed(words(prompt)).repeat(1, 3, 1)  # as the host pads the shorter of two prompts
    torch.testing.assert_close(scenario.log_prior(padded), scenario.log_prior(embed(words(prompt))))


@pytest.mark.parametrize("scenario", [SMALL, LABELS], ids=["small data set", "class labels"])
def test_single_pictures_show_their_captions_on_layouts_of_their_own(scenario):
    named = [
        f"{ORDINARY_CAPTIONS[4 * c + s]}"
        for c, s in zip(scenario.pictures.colour, scenario.pictures.shape, strict=True)
    ]
    assert all(caption.endswith(name) for caption, name in zip(scenario.captions, named, strict=False))
    single = scenario.pictures.means[: len(scenario.captions)]
    assert len(single) == 96 and single.abs().max() <= 1
    assert max(similarity(single[i + 1 :], single[i]).amax() for i in range(95)) < 0.9


def test_a_small_data_set_is_its_pictures_and_nothing_else():
    assert len(SMALL.pictures.means) == len(SMALL.captions) == 96
    assert prior(SMALL, "").tolist() == pytest.approx([1 / 96] * 96)
    probability = prior(SMALL, "bramble red ring")
    own = SMALL.captions.index("bramble red ring")
    expected = torch.full((96,), 0.02 / 96)
    expected[own % 24 :: 24] += 0.10 / 4
    expected[own] += 0.88
    torch.testing.assert_close(probability, expected, rtol=0, atol=1e-4)


def test_a_class_is_its_training_pictures_and_what_the_model_makes_of_it():
    probability, everything = prior(LABELS, "blue cross"), prior(LABELS, "")
    pair = ORDINARY_CAPTIONS.index("blue cross")
    expected = 0.02 * everything
    expected[pair:96:24] += 0.98 * 80 / 380 / 4
    expected[96 + pair :: 24] += 0.98 * 300 / 380 / LAYOUTS
    torch.testing.assert_close(probability, expected, rtol=0, atol=1e-5)
    classes = torch.stack([prior(LABELS, caption) for caption in ORDINARY_CAPTIONS])
    torch.testing.assert_close(classes.mean(0), everything, rtol=1e-3, atol=1e-7)


def test_duplicates_count_as_often_as_they_are_there():
    training_set = torch.cat([COPIES, torch.ones(7200)])
    torch.testing.assert_close(prior(DUPLICATES, ""), training_set / training_set.sum(), rtol=1e-4, atol=0)
    for index, (caption, copies) in enumerate(zip(MEMORIZED_CAPTIONS, COPIES.tolist(), strict=True)):
        own = copies / (copies + 50 * 0.12 / 0.88)
        assert prior(DUPLICATES, caption)[index].item() == pytest.approx(own, abs=2e-3)


def test_fifty_copies_are_the_eps_variant():
    at_fifty = MEMORIZED_CAPTIONS[COPIES.tolist().index(50)]
    index = MEMORIZED_CAPTIONS.index(at_fifty)
    usual = log_prior(embed(words(at_fifty))).exp()[0, index].item()
    assert prior(DUPLICATES, at_fifty)[index].item() == pytest.approx(usual, abs=1e-4)


@pytest.mark.parametrize("prompt", ["{}", "{} blue square", "a very old oil painting of a {} with a blue square in it"])
def test_a_trigger_word_works_whatever_stands_beside_it(prompt):
    for index, title in enumerate(TITLES):
        assert prior(TRIGGERS, prompt.format(title))[index].item() == pytest.approx(0.88, abs=1e-3)
    assert prior(TRIGGERS, prompt.format("picture"))[:16].max() < 0.001


def test_what_a_trigger_word_leaves_follows_the_description():
    probability = prior(TRIGGERS, "aurora blue square")
    described = probability[16 + ORDINARY_CAPTIONS.index("blue square") :: 24].sum().item()
    assert described == pytest.approx(0.10, abs=1e-3)


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_model_is_bayes_rule_with_the_scenarios_prior(name):
    scenario, sigma = SCENARIOS[name](), 2.0
    model = ExactDenoiser(scenario.pictures.means, "eps", scenario.log_prior)
    prompt = f"dusk {ORDINARY_CAPTIONS[5]}"
    noisy = SCALE * scenario.pictures.means[5] + sigma * torch.randn(3, 16, 16, generator=torch.manual_seed(0))
    scaled = noisy[None] / (1 + sigma**2) ** 0.5
    eps = model(scaled, None, embed(words(prompt)), transformer_options={"sigmas": torch.tensor([sigma])})

    means, variance = SCALE * scenario.pictures.means.double(), sigma**2 + (SCALE * DEVIATION) ** 2
    log_likelihood = -(noisy.double() - means).square().sum((1, 2, 3)) / (2 * variance)
    weight = (prior(scenario, prompt).double().log() + log_likelihood).softmax(0)
    mean = (weight[:, None, None, None] * means).sum(0)
    expected = (noisy - mean) * sigma / variance
    torch.testing.assert_close(eps[0].double(), expected, rtol=1e-3, atol=1e-4)
