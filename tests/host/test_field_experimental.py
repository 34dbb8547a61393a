"""The methods that are reconstructed, as rows of the harness's tables."""

import pytest
import torch
from basin_escape.benchmarks import testbeds
from basin_escape.benchmarks.field.experimental import HELD, MIXED, REINFORCED, held, mixed, reinforced
from basin_escape.benchmarks.harness import evaluate
from basin_escape.benchmarks.methods import PLAIN
from basin_escape.tests.support.field import CAPTION, FEW, assert_a_start_is_the_same_alone_and_among_others

pytestmark = pytest.mark.usefixtures("own_results")


@pytest.mark.parametrize(("method", "calls"), [(held(0.0), 6), (reinforced(1.0), 6), (mixed(0.3), 6 + 6 / 2)])
def test_a_row_has_the_calls_that_the_node_tells(method, calls):
    """Of two starts, which share one reference; calibration is no cost of a picture."""
    found = evaluate(method, "learned", [CAPTION], 2, FEW)
    assert found.calls == calls
    assert not torch.equal(found.samples, evaluate(PLAIN, "learned", [CAPTION], 2, FEW).samples)


def test_rows_have_names_of_their_own():
    methods = [*HELD, *REINFORCED, *MIXED]
    names, settings = {method.name for method in methods}, {repr(method.settings) for method in methods}
    assert len(names) == len(settings) == len(methods)


@pytest.mark.parametrize("method", [held(0.0), reinforced(1.0)])
def test_a_start_is_the_same_alone_and_among_others(method):
    assert_a_start_is_the_same_alone_and_among_others(method)


def test_where_a_row_is_not_possible_it_says_why():
    closed = testbeds.testbed("closed form eps")
    with pytest.raises(ValueError, match="has no cross-attention"):
        evaluate(reinforced(1.0), "closed form eps", [closed.tuning.memorized[0]], 1, FEW)
    scenario = testbeds.testbed("small data set")
    with pytest.raises(ValueError, match="no ordinary captions to calibrate with"):
        evaluate(held(0.0), "small data set", [scenario.held_out.memorized[0]], 1, FEW)
