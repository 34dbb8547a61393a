"""The objects and backgrounds of the testbed's pictures, pixel by pixel."""

import math

import numpy as np
import pytest
import torch
from basin_escape.testbed.captions import SHAPES
from basin_escape.testbed.distribution import COLOUR_VALUES, render_pictures
from basin_escape.testbed.drawing import SIZE, backgrounds, coverage, offsets
from basin_escape.testbed.learned_pictures import render_with_place

CENTRES, RADII = torch.tensor([[6.0, 9.25], [8.0, 8.0]]).double(), torch.tensor([3.0, 4.9]).double()


def outside(shape, dx, dy, radius, square):
    """Signed distance of a point at (dx, dy) from the centre of an object, negative inside."""
    dx, dy = abs(dx), abs(dy)
    return {
        "circle": math.hypot(dx, dy) - radius,
        "square": max(dx, dy) - square * radius,
        "cross": min(max(dx - radius, dy - radius / 3), max(dy - radius, dx - radius / 3)),
        "ring": abs(math.hypot(dx, dy) - 0.75 * radius) - 0.25 * radius,
    }[shape]


@pytest.mark.parametrize("square", [0.9, 1.0])
def test_a_pixel_is_covered_as_far_as_its_middle_lies_inside(square):
    covered = coverage(CENTRES, RADII, square)
    assert covered.shape == (2, 4, SIZE, SIZE)
    for image, ((x, y), radius) in enumerate(zip(CENTRES.tolist(), RADII.tolist(), strict=True)):
        for place, shape in enumerate(SHAPES):
            expected = [
                [
                    min(max(0.5 - outside(shape, column + 0.5 - x, row + 0.5 - y, radius, square), 0), 1)
                    for column in range(SIZE)
                ]
                for row in range(SIZE)
            ]
            expected = torch.tensor(expected, dtype=torch.float64)
            torch.testing.assert_close(covered[image, place], expected, rtol=0, atol=1e-12)


def test_offsets_are_distances_from_the_middles_of_pixels():
    across, down, straight = offsets(CENTRES)
    assert across[0, 0, 3].item() == 2.5 and down[0, 3, 0].item() == 5.75
    assert straight[0, 3, 3].item() == pytest.approx(math.hypot(2.5, 5.75), rel=1e-14)


def test_a_background_is_a_sum_of_cosines():
    amplitudes = np.random.RandomState(3).randn(2, 3, 3, 3)
    image = backgrounds(np.random.RandomState(3), 2)[1, 2]
    for row, column in ((0, 0), (4, 11), (15, 2)):
        waves = sum(
            amplitudes[1, 2, i, j]
            * math.cos(math.pi * i * (row + 0.5) / SIZE)
            * math.cos(math.pi * j * (column + 0.5) / SIZE)
            for i in range(3)
            for j in range(3)
        )
        assert image[row, column].item() == pytest.approx(0.8 * math.tanh(0.9 * waves), abs=1e-12)


def test_the_middle_of_a_square_has_its_colour():
    pictures = render_pictures()
    square = (pictures.shape == SHAPES.index("square")).nonzero().flatten()[:200]
    for index in square.tolist():
        value = COLOUR_VALUES[pictures.colour[index]].float()
        assert (pictures.means[index] == value[:, None, None]).all(0).sum() >= 9


def test_a_learned_picture_is_its_background_where_no_object_is():
    image, near = render_with_place(np.random.RandomState(5), torch.tensor([0]), torch.tensor([0]))
    background = backgrounds(np.random.RandomState(5), 1).float()
    far = (near == 0).expand_as(image)
    assert far.any() and torch.equal(image[far], background[far])
    assert not (near == 1).expand_as(image)[image == background].any()
