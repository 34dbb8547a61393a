"""The plan of the table of all methods."""

import pytest
import torch
from basin_escape.benchmarks import testbeds
from basin_escape.benchmarks.field.combined import ORTHOGONAL, with_orthogonal
from basin_escape.benchmarks.field.methods import adjusted
from basin_escape.benchmarks.field.plan import CONDITIONS, EXACT, FAMILIES, Job, finals, trials
from basin_escape.benchmarks.harness import Sampling, sample, start_noise
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


def test_two_methods_act_one_after_the_other():
    bed, seeds, sampling = testbeds.testbed(EXACT), range(2), Sampling(steps=4)
    caption, noise = bed.tuning.memorized[0], start_noise(bed.latent_shape, seeds)
    alone = adjusted("batch-wise", 0.39, 0.7, 2)
    (together,) = with_orthogonal(alone)
    expected = adjusted("batch-wise", 0.39, 0.7, 2, then=ORTHOGONAL)
    pictures = [sample(method, bed, caption, noise, seeds, sampling)[0] for method in (together, expected, alone)]
    assert torch.equal(pictures[0], pictures[1]) and not torch.equal(pictures[0], pictures[2])
