"""Norms of ordinary pictures, and a prediction that is held to them, number by number."""

import math

import pytest
import torch
from basin_escape.samplers.held_norm import Level, Place, held, level_of, levels_and_limit, limit_of, score, step_norm
from hypothesis import assume, given
from hypothesis import strategies as st


def vp(sigma):
    return 1 / math.sqrt(1 + sigma**2)


def place(sigma, below):
    return Place(sigma, below, (vp(sigma), vp(below)))


def ddim_step(z, eps, abar, abar_below):
    """DDIM as its paper writes it, one number: from z, with the noise eps, to the next level."""
    image = (z - math.sqrt(1 - abar) * eps) / math.sqrt(abar)
    return math.sqrt(abar_below) * image + math.sqrt(1 - abar_below) * eps


@given(st.lists(st.floats(-5, 5), min_size=4, max_size=4), st.floats(0.1, 15), st.floats(0, 0.99))
def test_the_step_is_ddims(numbers, sigma, share):
    below = sigma * share
    x, image = torch.tensor(numbers).view(2, 2) * sigma, torch.tensor([[0.3, -0.7], [1.1, 0.2]])
    abar, abar_below = 1 / (1 + sigma**2), 1 / (1 + below**2)
    for sample, predicted, found in zip(x, image, step_norm(x, image, place(sigma, below)), strict=True):
        z = [value * vp(sigma) for value in sample.tolist()]
        eps = [(value - d) / sigma for value, d in zip(sample.tolist(), predicted.tolist(), strict=True)]
        steps = [ddim_step(a, e, abar, abar_below) - a for a, e in zip(z, eps, strict=True)]
        assert found.item() == pytest.approx(math.hypot(*steps), rel=1e-3, abs=1e-4)


def test_the_last_step_of_all_ends_at_the_predicted_image():
    x, image = torch.randn(3, 2, 4, generator=torch.manual_seed(0)), torch.ones(3, 2, 4)
    expected = (image - x * vp(2.0)).flatten(1).norm(dim=1)
    torch.testing.assert_close(step_norm(x, image, place(2.0, 0.0)), expected)


def test_statistics_and_limit_written_out():
    steps = torch.tensor([[1.0, 5.0], [2.0, 4.0], [4.0, 3.5], [1.5, 4.5]])
    norms = torch.tensor([[9.0, 8.0], [7.0, 8.0], [8.0, 6.0], [8.0, 6.0]])
    levels, limit = levels_and_limit([place(3.0, 1.0), place(1.0, 0.0)], steps, norms)
    largest = []
    for picture in range(4):
        others = [row for number, row in enumerate(steps.tolist()) if number != picture]
        scores = []
        for level in range(2):
            values = [row[level] for row in others]
            mean = sum(values) / 3
            spread = math.sqrt(sum((value - mean) ** 2 for value in values) / 2)
            scores.append(abs(steps[picture, level].item() - mean) / spread)
        largest.append(max(scores))
    below, top = sorted(largest)[-2:]
    assert limit == pytest.approx(below + 0.97 * (top - below), rel=1e-4)  # 0.99 of the way through four
    assert [level.mean for level in levels] == pytest.approx([2.125, 4.25])
    assert [level.deviation for level in levels] == pytest.approx([math.sqrt(5.1875 / 3), math.sqrt(1.25 / 3)])
    assert [level.denoised for level in levels] == [8.0, 7.0]


def test_a_picture_that_is_alike_the_others_does_not_raise_the_limit():
    steps = torch.randn(200, 5, generator=torch.manual_seed(1)) + 10
    assert 2.8 < limit_of(steps) < 4.5  # of normal numbers, the largest of five


def written_out(x, image, level, limit):
    """One sample."""
    following = x + (x - image) / level.place.sigma * (level.place.below - level.place.sigma)
    step = (following * level.place.scales[1] - x * level.place.scales[0]).norm()
    if abs(step - level.mean) / level.deviation <= limit or not image.norm():
        return image
    return image * level.denoised / image.norm()


@given(
    st.lists(st.lists(st.floats(-3, 3, width=16), min_size=6, max_size=6), min_size=1, max_size=5),
    st.sampled_from([0.0, 1.0, 3.0]),
)
def test_held_is_the_written_out_rule_sample_by_sample(rows, limit):
    x = torch.randn(len(rows), 2, 3, generator=torch.manual_seed(len(rows))) * 2
    image, level = torch.tensor(rows).view(-1, 2, 3), Level(place(2.0, 1.0), 1.7, 0.4, 5.0)
    scores = score(step_norm(x, image, level.place), level.mean, level.deviation)
    assume(((scores - limit).abs() > 1e-3).all())  # a sample on the edge is either
    made = held(x, image, level, limit)
    for place_, sample in enumerate(made):
        torch.testing.assert_close(sample, written_out(x[place_], image[place_], level, limit))
        torch.testing.assert_close(held(x[place_ : place_ + 1], image[place_ : place_ + 1], level, limit)[0], sample)


def test_below_the_limit_it_is_the_prediction_bit_for_bit():
    x, image = torch.randn(2, 3, 2, 4, generator=torch.manual_seed(2)).half().unbind(0)
    image[2] *= 40
    level = Level(place(2.0, 1.0), step_norm(x, image, place(2.0, 1.0))[0].item(), 1.0, 3.0)
    made = held(x, image, level, 5.0)
    assert torch.equal(made[:2], image[:2]) and made.dtype == torch.float16
    assert made[2].float().norm().item() == pytest.approx(3.0, rel=1e-2)
    assert torch.equal(held(x, image, level, 1e9), image)


def test_a_prediction_of_nothing_and_levels_without_spread_give_no_nan():
    nothing = held(torch.ones(1, 4), torch.zeros(1, 4), Level(place(2.0, 1.0), 9.0, 0.0, 3.0), 0.0)
    assert torch.equal(nothing, torch.zeros(1, 4))
    assert score(torch.tensor([2.0, 3.0]), 2.0, 0.0).tolist() == [0.0, pytest.approx(5e5, rel=1e-3)]


def test_a_level_is_found_though_it_was_computed_anew():
    levels = [Level(place(sigma, 0.0), 1.0, 1.0, 1.0) for sigma in (14.6, 1.0)]
    assert level_of(levels, 1.0 + 5e-5) is levels[1] and level_of(levels, 1.01) is None


def test_two_pictures_are_too_few():
    with pytest.raises(ValueError, match=r"ordinary_prompts and n_seeds make 2 picture"):
        levels_and_limit([place(1.0, 0.0)], torch.ones(2, 1), torch.ones(2, 1))
