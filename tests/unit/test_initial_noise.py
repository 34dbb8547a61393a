"""The initial noise adjusted batch-wise, as a formula."""

import pytest
import torch
from basin_escape.samplers.initial_noise import adjust_noise
from hypothesis import given
from hypothesis import strategies as st

GENERATOR = torch.Generator().manual_seed(0)
MATRIX, OFFSET = torch.randn(12, 12, generator=GENERATOR), torch.randn(12, generator=GENERATOR)


def linear(x):
    return (x.flatten(1) @ MATRIX.T + OFFSET).view_as(x)


def bent(x):
    return torch.tanh(linear(x)) + x.square()


def written_out(x, delta, rho, gamma, iterations):
    """One sample [3, 4] in float64."""
    for _ in range(iterations):
        g = delta(x[None])[0]
        probe = x + rho * x.numel() ** 0.5 * g / g.norm()
        x = x - gamma * (delta(probe[None])[0] - g)
    return x


@pytest.mark.parametrize("delta", [linear, bent])
@pytest.mark.parametrize("rho, gamma, iterations", [(0.39, 0.7, 2), (0.23, 0.7, 4), (1.0, 0.05, 1)])
def test_it_is_the_written_out_loop_sample_by_sample(delta, rho, gamma, iterations):
    x = torch.randn(4, 3, 4, generator=torch.Generator().manual_seed(1))
    adjusted = adjust_noise(x, delta, rho, gamma, iterations)
    for sample, made in zip(x, adjusted, strict=True):
        expected = written_out(sample, delta, rho, gamma, iterations)
        torch.testing.assert_close(made, expected, rtol=1e-3, atol=1e-3)


def test_of_a_linear_pull_the_update_is_known():
    """delta(x) = a x: the probe lies rho sqrt(n) along x, and the noise goes back gamma a times that."""
    x = torch.randn(2, 5, generator=torch.Generator().manual_seed(2))
    made = adjust_noise(x, lambda n: 3 * n, 0.4, 0.5, 1)
    along = x / x.norm(dim=1, keepdim=True) * 0.4 * 5**0.5
    torch.testing.assert_close(made, x - 0.5 * 3 * along)


def test_it_asks_twice_an_iteration_and_changes_nothing_that_is_handed_in():
    asked, x = [], torch.ones(2, 3)
    adjust_noise(x, lambda n: asked.append(n) or n, 0.4, 0.7, 3)
    assert len(asked) == 6 and torch.equal(x, torch.ones(2, 3))


@given(st.lists(st.lists(st.floats(-3, 3, width=16), min_size=12, max_size=12), min_size=1, max_size=4))
def test_a_batch_is_its_samples_one_by_one(rows):
    x = torch.tensor(rows).view(-1, 3, 4)
    singly = torch.cat([adjust_noise(sample[None], bent, 0.39, 0.1, 2) for sample in x])
    torch.testing.assert_close(adjust_noise(x, bent, 0.39, 0.1, 2), singly, rtol=1e-3, atol=1e-3)


def test_without_guidance_the_noise_stays():
    x = torch.randn(2, 4, generator=torch.Generator().manual_seed(3))
    assert torch.equal(adjust_noise(x, torch.zeros_like, 0.39, 0.7, 2), x)
    half = adjust_noise(x, lambda n: n * torch.tensor([[0.0], [1.0]]), 0.39, 0.7, 1)
    assert torch.equal(half[0], x[0]) and not torch.equal(half[1], x[1])
