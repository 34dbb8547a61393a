"""Maps of memorized regions, against loops over pixels."""

import pytest
import torch
from basin_escape.samplers.attention import as_grid
from basin_escape.samplers.bright_ending import end_token, token_attention
from basin_escape.samplers.memorization_map import box_filter, relative, squared_guidance


def test_squared_guidance_is_the_sum_over_channels():
    cond, uncond = torch.randn(2, 2, 3, 2, 2, generator=torch.manual_seed(0))
    sigma = torch.tensor([0.5, 2.0])
    found = squared_guidance(cond, uncond, sigma)
    for sample in range(2):
        for y in range(2):
            for x in range(2):
                change = [(uncond - cond)[sample, c, y, x].item() / sigma[sample].item() for c in range(3)]
                assert found[sample, y, x].item() == pytest.approx(sum(value**2 for value in change), rel=1e-5)
    assert squared_guidance(cond.half(), uncond.half(), sigma).dtype == torch.float32


@pytest.mark.parametrize("size", [1, 3, 5])
def test_the_box_filter_is_the_mean_of_the_pixels_that_are_inside(size):
    values = torch.randn(2, 4, 6, generator=torch.manual_seed(0))
    found, reach = box_filter(values, size), size // 2
    for y in range(4):
        for x in range(6):
            inside = values[:, max(y - reach, 0) : y + reach + 1, max(x - reach, 0) : x + reach + 1]
            torch.testing.assert_close(found[:, y, x], inside.mean((1, 2)))


def test_a_map_is_relative_to_its_own_largest_value():
    values = torch.tensor([[[1.0, 2.0], [4.0, 0.0]], [[0.0, 0.0], [0.0, 0.0]]])
    assert relative(values).tolist() == [[[0.25, 0.5], [1.0, 0.0]], [[0.0, 0.0], [0.0, 0.0]]]


def test_the_end_token_is_the_first_one_of_the_last_block():
    assert [end_token(*given) for given in (([2], 77), ([7], 77), ([77], 77), ([77, 9], 77))] == [1, 6, 76, 85]


def test_attention_to_a_token_is_a_softmax_averaged_over_heads():
    q, k = torch.randn(2, 6, 4, generator=torch.manual_seed(0)), torch.randn(2, 3, 4, generator=torch.manual_seed(1))
    for row in range(2):
        for pixel in range(6):
            heads = [(q[row, pixel, h : h + 2] @ k[row, :, h : h + 2].T / 2**0.5).softmax(0)[1] for h in (0, 2)]
            found = token_attention(q, k, 2, 1)[row, pixel]
            torch.testing.assert_close(found, (heads[0] + heads[1]) / 2)


def test_a_layers_pixels_are_the_inputs_halved_and_rounded_up():
    assert as_grid(torch.zeros(1, 35), 20, 28).shape == (1, 5, 7)
    assert as_grid(torch.zeros(1, 12), 9, 15).shape == (1, 3, 4)
    assert torch.equal(as_grid(torch.arange(6.0)[None], 2, 3), torch.tensor([[[0.0, 1, 2], [3, 4, 5]]]))
