import pytest
import torch
from basin_escape.samplers.detection import calibrated_threshold, score


def test_the_score_is_the_mean_over_steps_and_starts():
    assert score(torch.tensor([[1.0, 2.0, 3.0], [5.0, 6.0, 7.0]])) == 4.0


def test_one_ordinary_start_in_a_hundred_lies_above_the_threshold():
    norms = torch.arange(1.0, 1001.0)[torch.randperm(1000, generator=torch.Generator().manual_seed(0))]
    threshold = calibrated_threshold(list(norms.view(100, 2, 5)))
    starts = norms.view(100, 2, 5).mean(1).flatten()
    assert (starts > threshold).sum() == 5  # of 500
    assert calibrated_threshold(list(norms.view(250, 1, 4))) == pytest.approx(990.01)


def test_the_threshold_of_one_start_is_its_norm():
    assert calibrated_threshold([torch.tensor([[0.25], [0.75]])]) == 0.5
