"""The methods that search for a start noise by gradients, as rows of the harness's tables."""

import pytest
import torch
from basin_escape.benchmarks import cache, testbeds
from basin_escape.benchmarks.field.gradients import PER_SAMPLE, SHARPNESS_AWARE, per_sample, sharpness_aware
from basin_escape.benchmarks.harness import Sampling, evaluate, sample, start_noise
from basin_escape.benchmarks.methods import PLAIN

FEW, BED = Sampling(steps=3), testbeds.testbed("learned")
CAPTION = BED.tuning.memorized[0]
UPDATES = 2


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "FOLDER", tmp_path / "results")


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
    method, seeds = per_sample(0.0, updates=UPDATES), range(5, 8)
    together = sample(method, BED, CAPTION, start_noise(BED.latent_shape, seeds), seeds, FEW)[0]
    alone = sample(method, BED, CAPTION, start_noise(BED.latent_shape, seeds[1:2]), seeds[1:2], FEW)[0]
    torch.testing.assert_close(together[1:2], alone, rtol=0, atol=1e-3)


def test_rows_have_names_of_their_own():
    methods = [*PER_SAMPLE, *SHARPNESS_AWARE]
    names, settings = {method.name for method in methods}, {repr(method.settings) for method in methods}
    assert len(names) == len(settings) == len(methods)
