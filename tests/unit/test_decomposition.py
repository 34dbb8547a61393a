"""w0 and wT against numpy-free least squares, and runs whose weights are known."""

import math

import pytest
import torch
from basin_escape.samplers.decomposition import ELEMENTS, decomposition, thinned, variance_preserving, weights
from hypothesis import given
from hypothesis import strategies as st


def exploding(sigma):
    return 1.0, sigma


def flow(sigma):
    return 1 - sigma, sigma


def test_weights_are_the_least_squares_fit_of_every_sample():
    x, end, start = torch.randn(3, 2, 40), torch.randn(2, 40), torch.randn(2, 40)
    w0, wt = weights(x, end, start)
    for step in range(3):
        for sample in range(2):
            sides = torch.stack([end[sample], start[sample]], 1)
            fit = torch.linalg.lstsq(sides, x[step, sample, :, None]).solution.flatten()
            torch.testing.assert_close(torch.stack([w0[step, sample], wt[step, sample]]), fit, rtol=1e-4, atol=1e-5)


@given(st.floats(0.01, 50))
def test_the_scale_keeps_the_variance(sigma):
    clean, noise, size = variance_preserving(sigma, exploding)
    assert clean == pytest.approx(1 / math.sqrt(1 + sigma**2)) and noise == pytest.approx(sigma * clean)
    assert size == pytest.approx(math.sqrt(1 + sigma**2))


@pytest.mark.parametrize(("noising", "sigmas"), [(exploding, [20.0, 5.0, 1.0, 0.1]), (flow, [1.0, 0.8, 0.4, 0.1])])
def test_a_run_along_the_schedule_deviates_in_nothing_but_its_start(noising, sigmas):
    """x_T is what the first step holds: a little of the picture, where the schedule begins with some."""
    end, noise = torch.randn(2, 300), torch.randn(2, 300)
    latents = [clean * end + dirty * noise for clean, dirty in map(noising, sigmas)]
    found = decomposition(latents, end, sigmas, noising)
    first_clean, first_noise, _ = variance_preserving(sigmas[0], noising)
    for step, sigma in enumerate(sigmas):
        clean, dirty, _ = variance_preserving(sigma, noising)
        torch.testing.assert_close(
            found["noise_weight"][step], torch.full((2,), dirty / first_noise), rtol=1e-3, atol=1e-4
        )
        expected = clean - dirty / first_noise * first_clean
        torch.testing.assert_close(found["image_weight"][step], torch.full((2,), expected), rtol=1e-3, atol=1e-3)
    assert (found["image_ahead"][-1].abs() < 0.2).all()


def test_scores_are_sums_of_what_is_ahead_and_behind():
    sigmas, end, noise = [20.0, 5.0, 1.0], torch.randn(1, 300), torch.randn(1, 300)
    size = [math.sqrt(1 + sigma**2) for sigma in sigmas]
    given_weights = [(0.0, 1.0), (0.5, 0.6), (0.9, 0.1)]
    latents = [s * (w0 * end + wt * noise) for s, (w0, wt) in zip(size, given_weights, strict=True)]
    found = decomposition(latents, end, sigmas, exploding)
    ahead = behind = 0.0
    for step, (sigma, (w0, wt)) in enumerate(zip(sigmas, given_weights, strict=True)):
        ahead += w0 - 1 / math.sqrt(1 + sigma**2)
        behind += sigma / math.sqrt(1 + sigma**2) - wt
        assert found["image_ahead"][step].item() == pytest.approx(ahead, abs=1e-3)
        assert found["noise_behind"][step].item() == pytest.approx(behind, abs=1e-3)


def test_gaps_and_a_run_of_one_direction_have_no_weights():
    end, noise = torch.randn(2, 30), torch.randn(2, 30)
    found = decomposition([2 * noise, None, end + noise], end, [2.0, 1.5, 1.0], exploding)
    assert found["image_weight"].isnan().tolist() == [[False] * 2, [True] * 2, [False] * 2]
    assert found["image_ahead"].isnan().tolist() == [[False] * 2, [True] * 2, [False] * 2]
    alone = decomposition([3 * end], end, [2.0], exploding)
    assert all(values.isnan().all() for values in alone.values())
    assert decomposition([None], end, [2.0], exploding)["noise_weight"].isnan().all()


@pytest.mark.parametrize("shape", [(4, 64, 64), (4, 128, 128), (16, 21, 60, 104), (1, 7)])
def test_a_sample_is_looked_at_in_evenly_spaced_elements(shape):
    x = torch.randn(2, *shape)
    found, count = thinned(x), math.prod(shape)
    assert found.shape[1] == count if count <= ELEMENTS else ELEMENTS / 3 < found.shape[1] <= ELEMENTS
    first = found.clone()
    x.zero_()
    assert torch.equal(found, first)
