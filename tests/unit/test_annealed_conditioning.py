"""CADS as a formula."""

import math

import pytest
import torch
from basin_escape.samplers.annealed_conditioning import Annealing, mixed, noise
from hypothesis import given
from hypothesis import strategies as st

Y = torch.randn(3, 7, 5, generator=torch.Generator().manual_seed(0)) * 2 + 1


def written_out(y, n, gamma, strength, rescale):
    """One sample, number by number."""
    noised = [math.sqrt(gamma) * a + strength * math.sqrt(1 - gamma) * b for a, b in zip(y, n, strict=True)]

    def moments(values):
        mean = sum(values) / len(values)
        return mean, math.sqrt(sum((v - mean) ** 2 for v in values) / (len(values) - 1))

    (mean, spread), (own_mean, own_spread) = moments(noised), moments(y)
    return [rescale * ((v - mean) / spread * own_spread + own_mean) + (1 - rescale) * v for v in noised]


@given(st.floats(0, 0.99), st.floats(0.01, 2), st.floats(0, 1))
def test_it_is_the_written_out_formula(gamma, strength, rescale):
    n = torch.randn(Y.shape, generator=torch.Generator().manual_seed(1))
    made = mixed(Y, n, gamma, strength, rescale)
    for sample, draws, out in zip(Y, n, made, strict=True):
        expected = written_out(sample.flatten().tolist(), draws.flatten().tolist(), gamma, strength, rescale)
        torch.testing.assert_close(out.flatten(), torch.tensor(expected), rtol=1e-3, atol=1e-3)


def test_the_prompt_comes_back_between_tau2_and_tau1():
    annealing = Annealing(tau1=0.6, tau2=0.9)
    assert [annealing.gamma(tau) for tau in (1, 0.9, 0.75, 0.6, 0)] == pytest.approx([0, 0, 0.5, 1, 1])


@pytest.mark.parametrize("annealing, tau", [(Annealing(), 0.6), (Annealing(), 0.1), (Annealing(strength=0.0), 1.0)])
def test_below_tau1_and_at_strength_0_it_is_the_prompt_itself(annealing, tau):
    assert annealing(Y, tau, 3.0) is Y


def test_fully_rescaled_it_has_the_mean_and_spread_of_the_prompt():
    made = Annealing(strength=0.25, rescale=1.0)(Y, 1.0, 14.6)
    for statistic in (torch.mean, torch.std):
        torch.testing.assert_close(statistic(made, dim=(1, 2)), statistic(Y, dim=(1, 2)))


def test_the_noise_is_the_samples_own_and_the_levels():
    annealing = Annealing(seed=5)
    together = annealing(Y, 0.8, 3.0)
    for place, sample in enumerate(Y):
        torch.testing.assert_close(Annealing(seed=5 + place)(sample[None], 0.8, 3.0)[0], together[place])
    assert torch.equal(annealing(Y, 0.8, 3.0), together)
    assert not torch.equal(annealing(Y, 0.8, 2.9), together)
    assert torch.equal(noise(2**64 - 1, 1.0, Y.shape), noise(2**64 - 1, 1.0 + 1e-9, Y.shape))


def test_precision_and_what_is_handed_in_stay():
    before = Y.half().clone()
    y = before.clone()
    assert Annealing()(y, 1.0, 3.0).dtype == torch.float16 and torch.equal(y, before)


def test_a_prompt_without_spread_gives_no_nan():
    assert Annealing()(torch.zeros(2, 3, 4), 1.0, 3.0).isfinite().all()
    assert mixed(torch.zeros(1, 3, 4), torch.zeros(1, 3, 4), 0.0, 1.0, 1.0).tolist() == torch.zeros(1, 3, 4).tolist()


@pytest.mark.parametrize(
    "widgets, message",
    [({"strength": math.nan}, "strength"), ({"rescale": 2.0}, "rescale"), ({"tau1": 0.9}, "below tau2")],
)
def test_what_is_wrong_is_said(widgets, message):
    with pytest.raises(ValueError, match=message):
        Annealing(**widgets)
