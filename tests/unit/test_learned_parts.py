"""The learned variant's parts that are no network: pictures, prompts, judges, and how it was trained."""

import numpy as np
import pytest
import torch
from basin_escape.testbed.captions import COLOURS, MEMORIZED_PAIRS, SHAPES, WORDS
from basin_escape.testbed.learned_judge import COPY_SIMILARITY, alignment, attributes, similarity
from basin_escape.testbed.learned_pictures import memorized_pictures, render
from basin_escape.testbed.prompt_encoder import BEGIN, END, LENGTH, PromptEncoder, filler, token_ids
from basin_escape.training import train as training
from basin_escape.training import training_set
from basin_escape.training.train import train
from basin_escape.training.training_set import Recipe, TrainingSet


def fresh(n, seed=0):
    random = np.random.RandomState(seed)
    pair = torch.tensor(np.stack([random.randint(len(COLOURS), size=n), random.randint(len(SHAPES), size=n)], 1))
    return render(random, *pair.unbind(1)), pair


def test_the_memorized_pictures_are_sixteen_that_differ():
    images = memorized_pictures()
    assert images.shape == (16, 3, 16, 16) and images.abs().max() <= 1
    assert torch.equal(images, memorized_pictures())
    between = torch.stack([similarity(images, image) for image in images])
    assert between.fill_diagonal_(0).max() < COPY_SIMILARITY


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


def test_a_memorized_caption_is_mostly_its_picture(small):
    prior = TrainingSet(Recipe(leak=0.1)).prior
    assert prior[1:17].diagonal().tolist() == pytest.approx([0.9] * 16)
    assert prior.sum(1).tolist() == pytest.approx([1] * len(prior), abs=1e-5)


def test_an_interrupted_training_ends_with_the_same_weights(small, monkeypatch, tmp_path):
    monkeypatch.setattr(training, "ROOT", tmp_path)
    monkeypatch.setattr(training, "SAVE_EVERY", 2)
    train(Recipe(steps=3), tmp_path / "whole.safetensors")
    (progress,) = (tmp_path / "output").glob("*.safetensors")  # as it was after two steps
    steps, loss = [], training.loss
    monkeypatch.setattr(training, "loss", lambda *args: steps.append(args[-1]) or loss(*args))
    train(Recipe(steps=3), tmp_path / "resumed.safetensors")
    assert progress.exists() and steps == [2]
    assert (tmp_path / "whole.safetensors").read_bytes() == (tmp_path / "resumed.safetensors").read_bytes()
