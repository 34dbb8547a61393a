"""The methods that search for a start noise by gradients, as rows of the harness's tables."""

import pytest
import torch
from basin_escape.benchmarks.field.gradients import PER_SAMPLE, SHARPNESS_AWARE, per_sample, sharpness_aware
from basin_escape.benchmarks.harness import evaluate
from basin_escape.benchmarks.methods import PLAIN
from basin_escape.tests.support.field import CAPTION, FEW, assert_a_start_is_the_same_alone_and_among_others

pytestmark = pytest.mark.usefixtures("own_results")
UPDATES = 2


@pytest.mark.parametrize(
    ("method", "calls", "backward"),
    [
        (per_sample(0.0, updates=UPDATES), 2 * (UPDATES + 1), 2 * UPDATES),
        (sharpness_aware(0.0, UPDATES, 2), 2 * 2 * 2 * (UPDATES + 1), 2 * 2 * 2 * UPDATES),
    ],
)
def test_a_row_has_the_calls_and_backward_passes_that_the_node_tells(method, calls, backward):
    found = evaluate(method, "learned", [CAPTION], 2, FEW)
    assert (found.calls, found.backward) == (calls + 6, backward)
    assert not torch.equal(found.samples, evaluate(PLAIN, "learned", [CAPTION], 2, FEW).samples)


@pytest.mark.parametrize("method", [per_sample(1.0), sharpness_aware(1.0)])
def test_starts_that_are_good_enough_make_the_pictures_of_plain_cfg(method):
    found = evaluate(method, "learned", [CAPTION], 2, FEW)
    assert torch.equal(found.samples, evaluate(PLAIN, "learned", [CAPTION], 2, FEW).samples) and found.backward == 0


def test_a_start_is_the_same_alone_and_among_others():
    assert_a_start_is_the_same_alone_and_among_others(per_sample(0.0, updates=UPDATES))


def test_rows_have_names_of_their_own():
    methods = [*PER_SAMPLE, *SHARPNESS_AWARE]
    names, settings = {method.name for method in methods}, {repr(method.settings) for method in methods}
    assert len(names) == len(settings) == len(methods)
