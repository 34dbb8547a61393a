"""A start of two pictures' frequencies, against sums over waves."""

import cmath
import math

import pytest
import torch
from basin_escape.samplers.mixed_start import low_pass, mixed_start
from hypothesis import given
from hypothesis import strategies as st


def picture(*shape, seed=0):
    return torch.randn(*shape, generator=torch.manual_seed(seed))


def spectrum(channel, sign):
    """The discrete Fourier transform of a list of rows, as its sum is written; not divided."""
    rows, columns = len(channel), len(channel[0])

    def at(u, v):
        return sum(
            channel[y][x] * cmath.exp(sign * 2j * math.pi * (u * y / rows + v * x / columns))
            for y in range(rows)
            for x in range(columns)
        )

    return [[at(u, v) for v in range(columns)] for u in range(rows)]


def written_out(noise, reference, cutoff):
    """One channel."""
    rows, columns = noise.shape
    low, high = spectrum(reference.tolist(), -1), spectrum(noise.tolist(), -1)

    def is_low(u, v):
        vertical, horizontal = min(u, rows - u) / (rows / 2), min(v, columns - v) / (columns / 2)
        return math.hypot(vertical, horizontal) < cutoff

    mixed = [[(low if is_low(u, v) else high)[u][v] for v in range(columns)] for u in range(rows)]
    return torch.tensor([[value.real / (rows * columns) for value in row] for row in spectrum(mixed, 1)])


@pytest.mark.parametrize("size", [(6, 4), (5, 6), (4, 5)])
@pytest.mark.parametrize("cutoff", [0.1, 0.45, 0.77, 1.0])
def test_it_is_the_written_out_sum(size, cutoff):
    noise, reference = picture(2, 3, *size), picture(2, 3, *size, seed=1)
    made = mixed_start(noise, reference, cutoff)
    for sample in range(2):
        for channel in range(3):
            expected = written_out(noise[sample, channel], reference[sample, channel], cutoff)
            torch.testing.assert_close(made[sample, channel], expected, rtol=1e-4, atol=1e-4)


def test_the_mean_is_the_references_at_the_smallest_cutoff_and_waves_go_to_their_side():
    noise, reference = picture(1, 2, 8, 8), picture(1, 2, 8, 8, seed=1)
    expected = noise - noise.mean((2, 3), keepdim=True) + reference.mean((2, 3), keepdim=True)
    torch.testing.assert_close(mixed_start(noise, reference, 0.01), expected)
    place = torch.arange(8.0)
    slow, fast = torch.cos(2 * math.pi * place / 8).expand(1, 1, 8, 8), torch.cos(math.pi * place).expand(1, 1, 8, 8)
    torch.testing.assert_close(mixed_start(fast, slow, 0.5), slow + fast)
    torch.testing.assert_close(mixed_start(slow, fast, 0.5), torch.zeros(1, 1, 8, 8))


def test_off_is_the_noise_itself():
    noise = picture(2, 3, 4, 4)
    assert mixed_start(noise, picture(1, 3, 4, 4, seed=1), 0.0) is noise and not low_pass(4, 4, 0.0).any()


@given(st.integers(1, 4), st.floats(0.01, 1))
def test_a_batch_is_its_samples_one_by_one(batch, cutoff):
    noise, reference = picture(batch, 2, 6, 5), picture(batch, 2, 6, 5, seed=1)
    before = noise.clone(), reference.clone()
    made, shared = mixed_start(noise, reference, cutoff), mixed_start(noise, reference[:1], cutoff)
    for place in range(batch):
        alone = noise[place : place + 1]
        torch.testing.assert_close(mixed_start(alone, reference[place : place + 1], cutoff)[0], made[place])
        torch.testing.assert_close(mixed_start(alone, reference[:1], cutoff)[0], shared[place])
    assert torch.equal(noise, before[0]) and torch.equal(reference, before[1])


def test_the_same_picture_twice_is_that_picture_and_precision_stays():
    noise = picture(1, 3, 5, 7)
    torch.testing.assert_close(mixed_start(noise, noise, 0.4), noise)
    assert mixed_start(noise.half(), noise, 0.4).dtype == torch.float16
