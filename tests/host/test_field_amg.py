"""AMG with the list of the testbed's pictures, as rows of the harness's tables."""

import pytest
import torch
from basin_escape.benchmarks.field.amg import PICTURES_AT_HAND, told
from basin_escape.benchmarks.field.plan import CONDITIONS, FAMILIES
from basin_escape.benchmarks.harness import evaluate
from basin_escape.benchmarks.methods import PLAIN
from basin_escape.tests.support.field import CAPTION, FEW, assert_a_start_is_the_same_alone_and_among_others

pytestmark = pytest.mark.usefixtures("own_results")


def test_the_list_leads_away_at_the_calls_of_plain_cfg():
    found, plain = (evaluate(method, "learned", [CAPTION], 2, FEW) for method in (told(0.6, 60.0), PLAIN))
    assert found.calls == plain.calls == 6
    assert (found.similarity < plain.similarity - 0.1).all()


def test_what_is_never_near_enough_makes_the_pictures_of_plain_cfg():
    found, plain = (evaluate(method, "learned", [CAPTION], 2, FEW) for method in (told(1.0, 60.0), PLAIN))
    assert torch.equal(found.samples, plain.samples)


def test_a_start_is_the_same_alone_and_among_others():
    assert_a_start_is_the_same_alone_and_among_others(told(0.6, 60.0))


def test_rows_have_names_of_their_own_and_every_testbed_has_them():
    names, settings = ({repr(getattr(method, of)) for method in PICTURES_AT_HAND} for of in ("name", "settings"))
    assert len(names) == len(settings) == len(PICTURES_AT_HAND)
    (family,) = [family for family in FAMILIES if family.settings is PICTURES_AT_HAND]
    assert all(family.on(condition) == PICTURES_AT_HAND for condition in CONDITIONS)
