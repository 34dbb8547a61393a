"""Scores of a prompt's starts, and the threshold between ordinary and memorized."""

import math

import pytest
import torch
from basin_escape.samplers.anisotropy import alignment, anisotropy
from basin_escape.samplers.attention_entropy import entropy
from basin_escape.samplers.detection import calibrated_threshold, score
from basin_escape.samplers.early_steps import prediction_change


def test_the_score_is_the_mean_over_starts():
    assert score(torch.tensor([1.0, 2.0, 6.0])) == 3.0


def test_one_ordinary_start_in_a_hundred_lies_above_the_threshold():
    values = torch.arange(1.0, 1001.0)[torch.randperm(1000, generator=torch.Generator().manual_seed(0))]
    threshold = calibrated_threshold(list(values.view(250, 4)))
    assert threshold == pytest.approx(990.01) and (values > threshold).sum() == 10


def test_the_threshold_of_one_start_is_its_value():
    assert calibrated_threshold([torch.tensor([0.5])]) == 0.5


def test_the_cosine_of_anisotropy_is_that_of_every_pixel():
    x, cond, uncond = torch.randn(3, 2, 3, 2, 2, generator=torch.manual_seed(0))
    sigma = torch.tensor([0.2, 0.4])
    found = alignment(x, cond, uncond, sigma)
    for sample in range(2):
        cosines = []
        for pixel in range(4):
            noise = [(x - uncond)[sample].flatten(1)[c, pixel].item() for c in range(3)]
            delta = [(uncond - cond)[sample].flatten(1)[c, pixel].item() for c in range(3)]
            dot = sum(a * b for a, b in zip(noise, delta, strict=True))
            cosines.append(dot / math.hypot(*noise) / math.hypot(*delta))
        assert found[sample].item() == pytest.approx(sum(cosines) / 4, abs=1e-5)
    assert anisotropy(torch.tensor([0.01]), torch.tensor([0.5])).item() == pytest.approx(0.01 + 1 / 128)


def test_the_prediction_change_is_that_of_the_second_step_to_the_third():
    steps = [torch.full((2, 3, 2, 2), value) for value in (9.0, 1.0, 3.0)]
    assert prediction_change(steps).tolist() == [4.0, 4.0]


def test_entropy_is_none_for_one_token_and_all_for_equal_ones():
    q = torch.ones(1, 5, 4)
    assert entropy(q, torch.zeros(1, 7, 4), 2).item() == pytest.approx(1)
    k = torch.zeros(1, 7, 4)
    k[:, 2] = 1000
    assert entropy(q, k, 2).item() == pytest.approx(0, abs=1e-6)
    k[:, 2], k[:, :2], k[:, 3:] = 1.0, -1000, -1000
    k[:, 5] = 1.0
    assert entropy(q, k, 2).item() == pytest.approx(math.log(2) / math.log(7))
