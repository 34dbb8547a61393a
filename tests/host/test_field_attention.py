"""The methods of the cross-attention as rows of the harness's tables."""

import pytest
import torch
from basin_escape.benchmarks import testbeds
from basin_escape.benchmarks.field.attention import GUARDS, REN, guard, mitigated_attention
from basin_escape.benchmarks.harness import evaluate
from basin_escape.benchmarks.methods import PLAIN
from basin_escape.tests.support.field import CAPTION, FEW, assert_a_start_is_the_same_alone_and_among_others

pytestmark = pytest.mark.usefixtures("own_results")


@pytest.mark.parametrize(("method", "calls"), [(mitigated_attention(1.25), 6), (guard(0.0), 6), (guard(), 9)])
def test_a_row_has_the_calls_that_the_node_tells(method, calls):
    found = evaluate(method, "learned", [CAPTION], 2, FEW)
    assert found.calls == calls
    assert not torch.equal(found.samples, evaluate(PLAIN, "learned", [CAPTION], 2, FEW).samples)


def test_rows_have_names_of_their_own():
    methods = [*REN, *GUARDS]
    assert len({m.name for m in methods}) == len({repr(m.settings) for m in methods}) == len(methods)


def test_a_start_is_the_same_alone_and_among_others():
    assert_a_start_is_the_same_alone_and_among_others(guard())


@pytest.mark.parametrize("method", [mitigated_attention(1.25), guard()])
def test_the_closed_form_has_no_such_cells(method):
    with pytest.raises(ValueError, match="has no cross-attention"):
        evaluate(method, "closed form eps", [testbeds.testbed("closed form eps").tuning.memorized[0]], 1, FEW)
