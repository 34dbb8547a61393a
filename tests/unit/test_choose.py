"""Which setting of a method is taken, and which methods are beaten."""

import pytest
from basin_escape.benchmarks.field.choose import best, front


def rows(*found):
    return [{"copied": (copied, 0.0, 1.0), "alignment": (alignment, 0.0, 1.0)} for copied, alignment in found]


@pytest.mark.parametrize(
    ("found", "number"),
    [
        ([(1.0, 1.0)], 0),
        ([(0.0, 0.5), (0.05, 0.9), (0.06, 1.0)], 1),
        ([(0.02, 0.9), (0.0, 0.9)], 1),
        ([(0.5, 1.0), (0.2, 0.1), (0.2, 0.3)], 2),
        ([(0.0, 0.7), (0.0, 0.7)], 0),
    ],
)
def test_the_prompt_counts_among_those_that_copy_few_and_copies_among_the_others(found, number):
    assert best(rows(*found)) == number


def test_the_front_is_whom_nobody_beats():
    assert front([(0.0, 1.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0), (0.5, 0.5)]) == [True, True, False, True, True]
