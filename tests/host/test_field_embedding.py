"""Methods of the prompt's embedding as rows of the harness's tables, and the table of the probe."""

import pytest
import torch
from basin_escape.benchmarks.field import probe
from basin_escape.benchmarks.field.embedding import MOVED, moved
from basin_escape.benchmarks.field.probe import PROMPTS, TRAINED, UNSEEN, picture, prompted
from basin_escape.benchmarks.harness import evaluate
from basin_escape.benchmarks.methods import PLAIN
from basin_escape.tests.support.field import BED, CAPTION, FEW, assert_a_start_is_the_same_alone_and_among_others

pytestmark = pytest.mark.usefixtures("own_results")


def test_a_row_has_the_calls_and_backward_passes_that_the_node_tells():
    found = evaluate(moved(0.0, iterations=2), "learned", [CAPTION], 2, FEW)
    assert (found.calls, found.backward) == (6 + 1 + 3, 2)
    assert not torch.equal(found.samples, evaluate(PLAIN, "learned", [CAPTION], 2, FEW).samples)


def test_below_the_target_it_is_plain_cfg_bit_for_bit():
    found = evaluate(moved(1.0), "learned", [CAPTION], 2, FEW)
    assert torch.equal(found.samples, evaluate(PLAIN, "learned", [CAPTION], 2, FEW).samples)
    assert (found.calls, found.backward) == (6 + 2, 0)


def test_rows_have_names_of_their_own():
    assert len({m.name for m in MOVED}) == len({repr(m.settings) for m in MOVED}) == len(MOVED)


def test_a_start_with_an_embedding_of_its_own_is_the_same_alone_and_among_others():
    assert_a_start_is_the_same_alone_and_among_others(moved(0.0, one_for_all=False, iterations=2))


def test_the_probe_looks_for_the_training_picture_and_for_one_that_was_not_in_training():
    assert torch.equal(picture(BED, CAPTION, TRAINED), BED.image(CAPTION))
    unseen = picture(BED, CAPTION, UNSEEN)
    assert BED.nearest(unseen[None], BED.memorized).item() < BED.copy_threshold
    assert BED.alignment(unseen[None], CAPTION).item() == 1.0


def test_a_prompt_is_searched_for_once_and_is_no_cost_of_a_picture(monkeypatch):
    monkeypatch.setattr(probe, "STEPS", 2)
    probe.positive_of.cache_clear()
    found = [evaluate(prompted("learned", TRAINED, then), "learned", [CAPTION], 1, FEW) for then in (PLAIN, moved(1))]
    assert (
        [of.calls for of in found] == [6, 8] and found[0].backward == 0 and probe.positive_of.cache_info().misses == 1
    )
    probe.positive_of.cache_clear()
    names = [prompted("learned", prompt, then).name for prompt in PROMPTS for then in probe.MITIGATIONS]
    assert len(set(names)) == len(PROMPTS) * len(probe.MITIGATIONS)
