"""The learned variants' parts that are no network: pictures, prompts, judges, and how they were trained."""

import numpy as np
import pytest
import torch
from basin_escape.testbed.captions import COLOURS, MEMORIZED_PAIRS, SHAPES, WORDS
from basin_escape.testbed.learned_judge import COPY_SIMILARITY, alignment, attributes, similarity
from basin_escape.testbed.learned_pictures import memorized_pictures, render
from basin_escape.testbed.learned_variants import LEARNED
from basin_escape.testbed.prompt_encoder import BEGIN, END, LENGTH, PromptEncoder, filler, token_ids
from basin_escape.training import progress, training_set
from basin_escape.training import train as training
from basin_escape.training.train import train
from basin_escape.training.training_set import RECIPES, Recipe, TrainingSet
from comfy.model_sampling import ModelSamplingDiscrete


def fresh(n, seed=0):
    random = np.random.RandomState(seed)
    pair = torch.tensor(np.stack([random.randint(len(COLOURS), size=n), random.randint(len(SHAPES), size=n)], 1))
    return render(random, *pair.unbind(1)), pair


@pytest.mark.parametrize("variant", LEARNED.values(), ids=LEARNED)
def test_the_memorized_pictures_are_sixteen_that_differ(variant):
    images = variant.memorized_pictures()
    assert images.shape == (16, 3, 16, 16) and images.abs().max() <= 1
    assert torch.equal(images, variant.memorized_pictures())
    between = torch.stack([similarity(images, image) for image in images])
    assert between.fill_diagonal_(0).max() < COPY_SIMILARITY
    assert (attributes(images) == torch.tensor(MEMORIZED_PAIRS)).all()


def test_no_variant_has_a_picture_of_another():
    exact, noise = RECIPES["learned"], RECIPES["learned noise"]
    for name, recipe in RECIPES.items():
        assert recipe.memorized_seed == LEARNED[name].seed
    assert len({exact.memorized_seed, exact.ordinary_seed, noise.memorized_seed, noise.ordinary_seed}) == 4
    first, second = (variant.memorized_pictures() for variant in LEARNED.values())
    assert max(similarity(first, image).max() for image in second) < COPY_SIMILARITY


def test_the_judge_knows_every_attribute_of_real_pictures():
    images, pair = fresh(400)
    assert (attributes(images) == pair).all(1).float().mean() >= 0.99
    assert alignment(memorized_pictures()[:1], "aurora red circle").tolist() == [1]
    assert alignment(memorized_pictures()[:1], "blue circle").tolist() == [0.5]


def test_a_real_picture_of_the_same_attributes_is_hardly_ever_a_copy():
    random, copies = np.random.RandomState(1), 0
    for image, pair in zip(memorized_pictures(), MEMORIZED_PAIRS, strict=True):
        others = render(random, *torch.tensor([pair] * 100).unbind(1))
        copies += (similarity(others, image) > COPY_SIMILARITY).sum()
    assert copies <= 3  # of 1,600


def test_words_become_tokens_and_none_is_lost():
    (row,) = token_ids(["aurora", "somewhere", "circle"]).tolist()
    assert row[:4] == [BEGIN, WORDS.index("aurora"), filler("somewhere"), WORDS.index("circle")]
    assert set(row[4:]) == {END} and len(row) == LENGTH
    assert token_ids([]).tolist() == [[BEGIN] + [END] * (LENGTH - 1)]
    rows = token_ids(["red"] * 25)
    assert rows.shape == (3, LENGTH) and (rows == WORDS.index("red")).sum() == 25


def test_a_token_knows_only_those_before_it():
    encoder = PromptEncoder()
    one, other = encoder(token_ids(["aurora", "red", "circle"])), encoder(token_ids(["aurora", "red", "ring"]))
    torch.testing.assert_close(one[:, :3], other[:, :3])
    assert (one[:, 3:] - other[:, 3:]).abs().amax(2).min() > 1e-3  # the last word, and every end token


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(training_set, "ORDINARY", 300)
    monkeypatch.setattr(training, "BATCH", 4)


def test_the_target_is_bayes_rule_over_the_training_set(small):
    data = TrainingSet(Recipe(leak=0.1))
    generator = torch.Generator().manual_seed(0)
    x, sigma, kinds = torch.randn(3, 768, generator=generator) * 6, torch.tensor([[6.0], [6.0], [9.0]]), [0, 1, 20]
    mean = data.posterior_mean(x, sigma, torch.tensor(kinds))
    for row, kind in enumerate(kinds):
        distance = (x[row].double() - data.pictures.double()).square().sum(1)
        weight = (data.prior[kind].double().log() - distance / (2 * sigma[row, 0] ** 2)).softmax(0)
        torch.testing.assert_close(mean[row].double(), weight @ data.pictures.double(), rtol=1e-3, atol=1e-3)


class Recorded(torch.nn.Module):
    """A module that remembers what it was asked and what it said."""

    def __init__(self, inner):
        super().__init__()
        self.inner, self.calls = inner, []

    def forward(self, *args):
        self.calls.append((args, self.inner(*args)))
        return self.calls[-1][1]


@pytest.mark.parametrize("late", [False, True])
def test_a_step_with_noise_targets_is_the_ordinary_diffusion_loss(small, monkeypatch, late):
    """The network sees a x + b e and is to say a e - b x: x a picture, e the noise that is in it (v-prediction)."""
    recipe, sampling, drawn = RECIPES["learned noise"], ModelSamplingDiscrete(), []
    data, model = TrainingSet(recipe), training.new_model(0)
    torch.nn.init.normal_(model["network"].out[2].weight, std=0.1)  # training starts from a network that says nothing
    model["network"] = Recorded(model["network"])
    draw = data.draw_pictures
    monkeypatch.setattr(data, "draw_pictures", lambda *args: drawn.append(draw(*args)) or drawn[-1])
    monkeypatch.setattr(data, "posterior_mean", None)  # is not asked
    loss = training.loss(model, data, sampling, recipe, recipe.steps - 1 if late else 0)
    (((noisy, timestep, _), said),) = model["network"].calls
    sigma, picture = sampling.sigmas[timestep].double()[:, None], data.pictures[drawn[0]].double()
    a, b = 1 / (1 + sigma**2).sqrt(), sigma / (1 + sigma**2).sqrt()
    noise = (noisy.flatten(1) - a * picture) / b
    weight = 1 + training.OBJECT_WEIGHT * data.object.double() if late else torch.ones(1, 768)
    assert noise.std() == pytest.approx(1, abs=0.05) and len(data.object.unique(dim=0)) == 1
    expected = (weight[:1] * (said.flatten(1) - (a * noise - b * picture)).square()).mean()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-4)


def test_a_memorized_caption_is_mostly_its_picture(small):
    prior = TrainingSet(Recipe(leak=0.1)).prior
    assert prior[1:17].diagonal().tolist() == pytest.approx([0.9] * 16)
    assert prior.sum(1).tolist() == pytest.approx([1] * len(prior), abs=1e-5)


def test_an_interrupted_training_ends_with_the_same_weights(small, monkeypatch, tmp_path):
    monkeypatch.setattr(progress, "ROOT", tmp_path)
    monkeypatch.setattr(training, "SAVE_EVERY", 2)
    train(Recipe(steps=3), tmp_path / "whole.safetensors")
    (saved,) = (tmp_path / "output").glob("*.safetensors")  # as it was after two steps
    steps, loss = [], training.loss
    monkeypatch.setattr(training, "loss", lambda *args: steps.append(args[-1]) or loss(*args))
    train(Recipe(steps=3), tmp_path / "resumed.safetensors")
    assert saved.exists() and steps == [2]
    assert (tmp_path / "whole.safetensors").read_bytes() == (tmp_path / "resumed.safetensors").read_bytes()
