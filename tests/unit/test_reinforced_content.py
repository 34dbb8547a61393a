"""Smoothed attention with reinforced content, against loops over pixels and tokens."""

import math

import pytest
import torch
from basin_escape.samplers.reinforced_content import gains, gaussian, smoothed
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("lengths", "expected"),
    [
        ([2], [1, 1, 0.75, 0.75, 0.75, 0.75]),
        ([4], [1, 1.5, 1.5, 1, 0.75, 0.75]),
        ([6], [1, 1.5, 1.5, 1.5, 1.5, 1]),
        ([6, 3], [1, 1.5, 1.5, 1.5, 1.5, 1, 1, 1.5, 1, 0.75, 0.75, 0.75]),
    ],
)
def test_words_count_more_and_padding_less_in_every_block(lengths, expected):
    assert gains(lengths, 6 * len(lengths), 0.5, 0.25).tolist() == expected


def test_no_gain_is_one():
    assert torch.equal(gains([4, 3], 12, 0.0, 0.0), torch.ones(12))


def blurred(attention, height, width, sigma):
    """G over the grid of pixels, by the distance of two of them: attention [pixels][tokens]."""
    pixels = [(y, x) for y in range(height) for x in range(width)]
    made = []
    for here in pixels:
        weights = [math.exp(-(math.dist(here, there) ** 2) / (2 * sigma**2)) for there in pixels]
        total = sum(weights)
        rows = [[w / total * a for a in row] for w, row in zip(weights, attention, strict=True)]
        made.append([sum(column) for column in zip(*rows, strict=True)])
    return torch.tensor(made)


@given(st.floats(0.3, 4), st.integers(1, 3))
def test_smoothing_what_comes_out_is_smoothing_the_attention(sigma, rows):
    """The paper's order, written out: softmax, smoothing over pixels, gains, values."""
    random = torch.manual_seed(rows)
    attention = torch.randn(rows, 12, 6, generator=random).softmax(2)
    values, factors = torch.randn(rows, 6, 5, generator=random), gains([4], 6, 0.5, 0.25)
    out = smoothed(attention @ (values * factors[:, None]), (1, 4, 8, 6), sigma)
    for row in range(rows):
        expected = (blurred(attention[row].tolist(), 4, 3, sigma) * factors) @ values[row]
        torch.testing.assert_close(out[row], expected, rtol=1e-4, atol=1e-4)


def test_weights_sum_to_one_at_the_edges_too():
    torch.testing.assert_close(gaussian(7, 1.3).sum(1), torch.ones(7))
    flat = torch.ones(2, 12, 3)
    torch.testing.assert_close(smoothed(flat, (4, 4, 3), 2.0), flat)


def test_narrow_is_no_smoothing_wide_is_the_mean_and_precision_stays():
    out = torch.randn(2, 12, 3, generator=torch.manual_seed(0))
    torch.testing.assert_close(smoothed(out, (4, 3), 0.05), out)
    torch.testing.assert_close(smoothed(out, (4, 3), 1e4), out.mean(1, keepdim=True).expand_as(out), rtol=0, atol=1e-4)
    assert smoothed(out.half(), (4, 3), 1.0).dtype == torch.float16
