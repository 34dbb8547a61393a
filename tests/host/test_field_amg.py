"""AMG with the list of the testbed's pictures, as rows of the harness's tables."""

import pytest
import torch
from basin_escape.benchmarks import cache, testbeds
from basin_escape.benchmarks.field.amg import PICTURES_AT_HAND, told
from basin_escape.benchmarks.field.plan import CONDITIONS, FAMILIES
from basin_escape.benchmarks.harness import Sampling, evaluate, sample, start_noise
from basin_escape.benchmarks.methods import PLAIN

FEW, BED = Sampling(steps=3), testbeds.testbed("learned")
CAPTION = BED.tuning.memorized[0]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "FOLDER", tmp_path / "results")


def test_the_list_leads_away_at_the_calls_of_plain_cfg():
    found, plain = (evaluate(method, "learned", [CAPTION], 2, FEW) for method in (told(0.6, 60.0), PLAIN))
    assert found.calls == plain.calls == 6
    assert (found.similarity < plain.similarity - 0.1).all()


def test_what_is_never_near_enough_makes_the_pictures_of_plain_cfg():
    found, plain = (evaluate(method, "learned", [CAPTION], 2, FEW) for method in (told(1.0, 60.0), PLAIN))
    assert torch.equal(found.samples, plain.samples)


def test_a_start_is_the_same_alone_and_among_others():
    method, seeds = told(0.6, 60.0), range(5, 8)
    together = sample(method, BED, CAPTION, start_noise(BED.latent_shape, seeds), seeds, FEW)[0]
    alone = sample(method, BED, CAPTION, start_noise(BED.latent_shape, seeds[1:2]), seeds[1:2], FEW)[0]
    torch.testing.assert_close(together[1:2], alone, rtol=0, atol=1e-3)


def test_rows_have_names_of_their_own_and_every_testbed_has_them():
    names, settings = ({repr(getattr(method, of)) for method in PICTURES_AT_HAND} for of in ("name", "settings"))
    assert len(names) == len(settings) == len(PICTURES_AT_HAND)
    (family,) = [family for family in FAMILIES if family.settings is PICTURES_AT_HAND]
    assert all(family.on(condition) == PICTURES_AT_HAND for condition in CONDITIONS)
