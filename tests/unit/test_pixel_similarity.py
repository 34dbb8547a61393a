"""Correlation and Carlini et al.'s criterion against their formulas, written out."""

import numpy as np
import pytest
import torch
from basin_escape.audit.verdict import alike
from basin_escape.samplers.copies import CORRELATION, L2, compare, likeness, mean_likeness
from basin_escape.samplers.pixel_similarity import SIDE, among_neighbours, centred, coarse, weighted

LEFT = torch.zeros(SIDE, SIDE).index_fill(1, torch.arange(SIDE // 2), 1.0)


def pictures(n, side=SIDE, seed=0):
    return torch.rand(n, side, side, 3, generator=torch.Generator().manual_seed(seed))


def test_the_correlation_is_numpys():
    a, b = pictures(2)
    expected = np.corrcoef(a.flatten().numpy(), b.flatten().numpy())[0, 1]
    assert (centred(a) * centred(b)).sum().item() == pytest.approx(expected, abs=1e-6)


def test_the_correlation_of_a_part_is_that_of_its_pixels():
    a, b = pictures(2)
    inside = LEFT.bool()
    expected = np.corrcoef(a[inside].flatten().numpy(), b[inside].flatten().numpy())[0, 1]
    assert (centred(a, LEFT) * centred(b, LEFT)).sum().item() == pytest.approx(expected, abs=1e-6)


def test_noise_makes_another_picture_of_a_copy_for_the_correlation_but_not_for_the_coarse_one():
    smooth = torch.stack(torch.meshgrid(*[torch.linspace(0, 1, SIDE)] * 2, indexing="ij"), -1)
    picture = torch.cat([smooth, smooth.mean(-1, keepdim=True)], -1)
    noisy = picture + (pictures(1)[0] - 0.5)
    assert (centred(picture) * centred(noisy)).sum() < 0.75
    assert (coarse(picture) * coarse(noisy)).sum() > 0.97
    assert coarse(picture).norm().item() == pytest.approx(1, abs=1e-6)
    assert (coarse(picture) * coarse(picture.flip(0))).sum() < 0.1


def test_brightness_and_contrast_change_no_correlation_and_one_colour_has_none():
    (a,) = pictures(1)
    assert (centred(a) * centred(0.3 * a + 0.5)).sum().item() == pytest.approx(1, abs=1e-5)
    assert (centred(a) * centred(1 - a)).sum().item() == pytest.approx(-1, abs=1e-5)
    assert centred(torch.full((8, 8, 3), 0.7)).norm() == 0


def test_the_distance_is_the_root_of_the_mean_square():
    a, b = pictures(2)
    assert (weighted(a) - weighted(b)).norm().item() == pytest.approx((a - b).square().mean().sqrt().item(), abs=1e-6)
    part = (a - b)[LEFT.bool()].square().mean().sqrt().item()
    assert (weighted(a, LEFT) - weighted(b, LEFT)).norm().item() == pytest.approx(part, abs=1e-6)


@pytest.mark.parametrize("n", [2, 50, 70])
def test_the_criterion_of_carlini(n):
    """l = d / (alpha * mean of the 50 smallest d) with alpha 0.5; copied if l <= 1, which is a score of 0.5."""
    d = pictures(1, 9).flatten()[:n]
    neighbours = sorted(d.tolist())[:50]
    ratio = d / (0.5 * sum(neighbours) / len(neighbours))
    score = among_neighbours(d)
    torch.testing.assert_close(score, 1 - 0.5 * ratio)
    assert torch.equal(score >= 0.5, ratio <= 1)
    assert torch.equal(among_neighbours(torch.zeros(3)), torch.ones(3))


def test_a_picture_is_found_again_at_another_size():
    references = pictures(5, 16)
    large = references.repeat_interleave(8, 1).repeat_interleave(8, 2)
    for measure in (CORRELATION, L2):
        scores = compare(measure, list(large), list(references))["whole"]
        assert (
            scores.argmax(1).tolist() == list(range(5))
            and scores.diagonal().min() > 0.5 > scores.fill_diagonal_(0).max()
        )


@pytest.mark.parametrize("measure", [CORRELATION, L2])
def test_a_score_depends_on_no_other_picture_and_on_no_order(measure):
    mine, references = list(pictures(4, 20)), list(pictures(6, 30, seed=1))
    mask = torch.rand(4, 20, 20, generator=torch.Generator().manual_seed(2))
    scores = compare(measure, mine, references, mask)
    assert list(scores) == ["whole", "foreground", "background"]
    order = [3, 0, 5, 1, 4, 2]
    shuffled = compare(measure, mine, [references[k] for k in order], mask)
    for part, score in scores.items():
        single = [compare(measure, [mine[k]], references, mask[k : k + 1])[part][0] for k in range(4)]
        assert torch.equal(score, torch.stack(single))
        torch.testing.assert_close(shuffled[part], score[:, order], rtol=1e-6, atol=1e-6)


def test_foreground_and_background_are_compared_apart():
    a, b = pictures(2)
    pasted = torch.where(LEFT[..., None].bool(), a, b)
    scores = compare(CORRELATION, [pasted], [a, b], LEFT[None])
    assert scores["foreground"][0].argmax() == 0 and scores["background"][0].argmax() == 1
    assert scores["foreground"].max() > 0.999 and scores["background"].max() > 0.999 > 0.7 > scores["whole"].max()


def test_one_mask_stands_for_all_pictures():
    mine, references = list(pictures(3)), list(pictures(2, seed=1))
    one, each = (compare(CORRELATION, mine, references, LEFT[None].expand(n, -1, -1)) for n in (1, 3))
    assert all(torch.equal(one[part], each[part]) for part in one)


def test_the_mean_likeness_is_over_pairs():
    mine = list(pictures(3))
    pairs = [(centred(mine[i]) * centred(mine[j])).sum().item() for i, j in ((0, 1), (0, 2), (1, 2))]
    assert mean_likeness(CORRELATION, mine) == pytest.approx(sum(pairs) / 3, abs=1e-6)
    assert mean_likeness(CORRELATION, [mine[0], mine[0]]) == pytest.approx(1, abs=1e-6)


def test_how_many_are_copies_of_one():
    a, b, c = pictures(3)
    flat = torch.zeros_like(a)  # like nothing, not even itself
    for batch, most in (([a], 1), ([a, b], 1), ([a, b, a], 2), ([b, a, c, a, a], 3), ([flat, flat], 1)):
        assert alike((likeness(CORRELATION, batch) >= 0.9).tolist()) == most


def test_nothing_that_is_handed_in_is_changed():
    a, mask = pictures(1), LEFT[None].clone()
    kept = a.clone(), mask.clone()
    for measure in (CORRELATION, L2):
        compare(measure, list(a), list(a), mask)
    assert torch.equal(a, kept[0]) and torch.equal(mask, kept[1])
