"""The plan of the table of all methods."""

import pytest
from basin_escape.benchmarks.field.plan import CONDITIONS, EXACT, FAMILIES, Job, finals, trials
from basin_escape.benchmarks.methods import PLAIN


def test_a_setting_has_a_name_of_its_own_and_results_of_its_own():
    for family in FAMILIES:
        methods = family.settings
        assert len({m.name for m in methods}) == len({(m.name, repr(m.settings)) for m in methods}) == len(methods)
    assert len({family.name for family in FAMILIES}) == len(FAMILIES)


def test_plain_cfg_is_the_first_of_every_testbed():
    for condition in CONDITIONS:
        assert next(job for job in trials() if job.condition == condition).method is PLAIN


def test_what_needs_attention_is_not_tried_where_there_is_none():
    tried = {FAMILIES[job.family].name for job in trials() if job.condition == EXACT}
    assert {family.name for family in FAMILIES} - tried == {family.name for family in FAMILIES if family.attention}
    assert any(family.attention for family in FAMILIES)


@pytest.mark.parametrize("condition", CONDITIONS)
def test_settings_are_chosen_on_one_half_and_reported_on_the_other(condition):
    tried = [job for job in trials() if job.condition == condition]
    last = finals(tried[:2])
    assert [job.method for job in last] == 2 * [job.method for job in tried[:2]]
    assert [job.kind for job in last] == ["memorized", "memorized", "ordinary", "ordinary"]
    for job in last:
        assert len(job.captions) == 8 and not set(job.captions) & set(Job(0, 0, condition, "tuning").captions)
