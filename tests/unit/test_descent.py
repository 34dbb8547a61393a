"""What is optimised before sampling, as formulas: against the loops of the papers, written out with autograd itself."""

import math

import pytest
import torch
from basin_escape.samplers.per_sample_noise import DECAY, adjust_per_sample
from basin_escape.samplers.sharpness_aware_noise import candidates, sharpness, sharpness_aware
from hypothesis import given
from hypothesis import strategies as st

GENERATOR = torch.Generator().manual_seed(0)
MATRIX, OFFSET = torch.randn(12, 12, generator=GENERATOR) / 12, torch.randn(12, generator=GENERATOR)
START = torch.randn(1, 3, 4, generator=torch.Generator().manual_seed(1))


def bent(x):
    return (torch.tanh(x.flatten(1) @ MATRIX.T + OFFSET) + 0.1 * x.flatten(1).square()).view_as(x)


def asked(f, calls=None):
    """f and its gradient, as the host would be asked for them."""

    def ask(x, enough):
        point = x.detach().clone().requires_grad_()
        with torch.enable_grad():
            value = f(point)
        (calls if calls is not None else []).append(value.item())
        return value.detach(), None if value <= enough else torch.autograd.grad(value.sum(), point)[0]

    return ask


def pull(x):
    return bent(x).flatten(1).norm(dim=1) / 12**0.5


def per_sample_written_out(x, target, rate, updates, keep_length):
    """The loop of the released code, in float64, with AdamW's formulas."""
    x, m, v, values = x.double(), 0.0, 0.0, []
    length = x.norm()
    for k in range(1, updates + 2):
        point = x.clone().requires_grad_()
        value = (torch.tanh(point.flatten(1) @ MATRIX.double().T + OFFSET) + 0.1 * point.flatten(1).square()).norm()
        values.append(value.item() / 12**0.5)
        if values[-1] <= target or k > updates:
            return x, values
        (g,) = torch.autograd.grad(value / 12**0.5, point)
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        x = x * (1 - rate * DECAY) - rate * (m / (1 - 0.9**k)) / ((v / (1 - 0.999**k)).sqrt() + 1e-8)
        x = x * length / x.norm() if keep_length else x
    raise AssertionError


@pytest.mark.parametrize("keep_length", [False, True])
@pytest.mark.parametrize(("target", "rate", "updates"), [(0.5, 0.05, 100), (0.0, 0.01, 12), (0.3, 0.1, 1)])
def test_per_sample_is_the_written_out_loop_step_for_step(target, rate, updates, keep_length):
    made = adjust_per_sample(START, asked(pull), target, rate, updates, keep_length)
    expected, values = per_sample_written_out(START, target, rate, updates, keep_length)
    assert len(made.values) == len(values)
    torch.testing.assert_close(torch.tensor(made.values), torch.tensor(values), rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(made.x.double(), expected, rtol=1e-3, atol=1e-3)


def test_it_stops_at_the_target_and_not_before():
    made = adjust_per_sample(START, asked(pull), 0.5, 0.05, 100)
    assert 3 < len(made.values) < 101 and made.values[-1] <= 0.5 < min(made.values[:-1])


def test_a_target_that_is_met_changes_nothing_and_asks_once():
    calls = []
    made = adjust_per_sample(START, asked(pull, calls), pull(START).item(), 0.05, 100)
    assert torch.equal(made.x, START) and len(calls) == len(made.values) == 1


def test_no_updates_only_measure():
    made = adjust_per_sample(START, asked(pull), 0.0, 0.05, 0)
    assert torch.equal(made.x, START) and made.values == pytest.approx([pull(START).item()])


def test_what_is_handed_in_is_not_written_to():
    start = START.clone()
    adjust_per_sample(start, asked(pull), 0.1, 0.05, 3, keep_length=True)
    sharpness_aware(start, asked(loss), 0.0, 0.05, 3, 2)
    assert torch.equal(start, START)


@given(st.lists(st.floats(-3, 3, width=16), min_size=12, max_size=12), st.sampled_from([0.001, 0.05, 0.5]))
def test_the_length_is_kept_where_that_is_asked(row, rate):
    x = torch.tensor(row).view(1, 3, 4) + 0.01
    made = adjust_per_sample(x, asked(pull), 0.0, rate, 5, keep_length=True)
    torch.testing.assert_close(made.x.norm(), x.norm(), rtol=1e-4, atol=1e-4)


def test_sharpness_is_its_formula():
    step, alpha, n = 0.2, 0.05, 12
    x = torch.randn(3, 3, 4, generator=torch.Generator().manual_seed(2))
    for sample, found in zip(x, sharpness(x, bent, step, alpha), strict=True):
        g = bent(sample[None])
        probe = sample + step * math.sqrt(n) * g / g.norm()
        expected = (bent(probe).norm() + alpha * sample.norm()) / math.sqrt(n)
        torch.testing.assert_close(found, expected)


def test_the_released_codes_loss_at_512_pixels():
    """||delta(x + delta/||delta||)|| + 0.05 ||x|| <= 8.2 there, in lengths of 16384 elements."""
    x = torch.randn(1, 4, 64, 64, generator=torch.Generator().manual_seed(3))

    def delta(x):
        return 0.03 * torch.tanh(x)

    g = delta(x)
    theirs = delta(x + g / g.norm()).norm() + 0.05 * x.norm()
    torch.testing.assert_close(sharpness(x, delta, 1 / 128, 0.05)[0] * 128, theirs)


def test_without_a_pull_there_is_a_loss_and_a_gradient():
    value, gradient = asked(lambda x: sharpness(x, torch.zeros_like, 0.2, 0.05))(START, 0.0)
    torch.testing.assert_close(value[0], 0.05 * START.norm() / 12**0.5)
    torch.testing.assert_close(gradient, 0.05 * START / START.norm() / 12**0.5)


def sail_written_out(x, threshold, rate, updates):
    """One candidate, with PyTorch's own Adam on a leaf, as in the released code."""
    x = x.clone().requires_grad_()
    optimizer, values = torch.optim.Adam([x], lr=rate), []
    while True:
        loss = sharpness(x, bent, 0.3, 0.05)
        values.append(loss.item())
        if values[-1] <= threshold or len(values) > updates:
            return x.detach(), values
        optimizer.zero_grad()
        loss.sum().backward()
        optimizer.step()


def loss(x):
    return sharpness(x, bent, 0.3, 0.05)


def test_sail_is_the_written_out_loop_for_every_candidate():
    taken, tried = sharpness_aware(START, asked(loss), 0.0, 0.05, 8, 4)
    for candidate, found in zip(candidates(START, 4), tried, strict=True):
        x, values = sail_written_out(candidate, 0.0, 0.05, 8)
        torch.testing.assert_close(found.x, x)
        assert found.values == pytest.approx(values)
    assert taken.values[-1] == min(descent.values[-1] for descent in tried)


def test_sail_takes_the_first_candidate_that_is_good_enough():
    """Whatever the threshold: each is one that a candidate just reaches."""
    lowest = [min(descent.values) for descent in sharpness_aware(START, asked(loss), 0.0, 0.05, 8, 4)[1]]
    for threshold in lowest:
        taken, tried = sharpness_aware(START, asked(loss), threshold, 0.05, 8, 4)
        assert len(tried) == 1 + next(k for k, low in enumerate(lowest) if low <= threshold)
        assert taken is tried[-1] and taken.values[-1] <= threshold < min([1e6, *taken.values[:-1]])


def test_candidates_are_the_noise_itself_and_its_numbers_in_other_orders():
    found = list(candidates(START, 4))
    assert torch.equal(found[0], START)
    assert not any(torch.equal(one, other) for k, one in enumerate(found) for other in found[:k])
    for one in found:
        assert one.shape == START.shape and torch.equal(one.flatten().sort().values, START.flatten().sort().values)
    assert all(torch.equal(one, other) for one, other in zip(found, candidates(START.clone(), 4), strict=True))
