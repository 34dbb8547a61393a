"""`make bench-paper`: its sweeps are what the nodes make, its figures of merit are right, a small part of it runs."""

import csv
import math

import numpy as np
import pytest
import torch
from basin_escape.benchmarks import cache, testbeds
from basin_escape.benchmarks.harness import start_noise
from basin_escape.benchmarks.measure import measure
from basin_escape.benchmarks.paper import plan
from basin_escape.benchmarks.paper import sweep as sweeping
from basin_escape.benchmarks.paper.cache import Job, swept
from basin_escape.benchmarks.paper.methods import at, method, oracle, transition_step
from basin_escape.benchmarks.paper.oracle import first
from basin_escape.benchmarks.paper.report import report
from basin_escape.benchmarks.paper.sweep import Condition, noise_circle, sweep
from basin_escape.benchmarks.statistics import auc, frechet_distance, interval, jackknife, moments, tpr_at_fpr

NAME, STEPS = "closed form eps", 10
CAPTION = testbeds.testbed(NAME).held_out.memorized[0]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "FOLDER", tmp_path / "sweeps")


@pytest.mark.parametrize("before", ["zero", "opposite 2", "conditional"])
def test_a_sweep_has_the_picture_of_every_method(before):
    condition = plan.condition(NAME, before, plan.QUICK)
    found = swept(Job(condition, CAPTION, range(1)))  # KSampler's seed 0
    for transition in ("off", "dynamic", "escape", "static"):
        chosen = method("", before, transition, static_percent=0.4)
        step = transition_step(found, chosen.settings, condition)
        widgets = {"before_transition": chosen.settings.before_transition, "static_percent": 0.4}
        node = measure([CAPTION], 1, steps=STEPS, transition=transition, **widgets)
        assert transition == "off" or node.transition_steps.tolist() == step.tolist()
        torch.testing.assert_close(at(found["samples"], step), node.samples[0], rtol=0, atol=1e-5)


@pytest.mark.parametrize("sampler", ["euler", "euler_ancestral", "dpmpp_2m_sde"])
def test_a_start_is_the_same_alone_and_among_others(sampler):
    condition = Condition(NAME, steps=6, sampler=sampler)
    noise = start_noise((3, 16, 16), range(3))
    together, alone = sweep(condition, CAPTION, noise, [0, 1, 2]), sweep(condition, CAPTION, noise[1:2], [1])
    torch.testing.assert_close(together["samples"][1:2], alone["samples"], rtol=0, atol=1e-4)
    torch.testing.assert_close(together["cond"][:, 1:2], alone["cond"], rtol=0, atol=1e-4)


def test_what_is_on_disk_is_not_computed_again(monkeypatch):
    job = Job(Condition(NAME, steps=4), CAPTION, range(1))
    once = swept(job)
    monkeypatch.setattr(sweeping, "sweep", None)
    assert torch.equal(swept(job)["samples"], once["samples"])
    with pytest.raises(TypeError):
        swept(Job(Condition(NAME, steps=5), CAPTION, range(1)))


def test_no_two_captions_start_from_the_same_noise():
    jobs = [job for kind in ("memorized", "ordinary") for job in plan.main_jobs(NAME, "zero", kind, plan.FULL)]
    seeds = [seed for job in jobs for seed in job.seeds]
    assert len(set(seeds)) == len(seeds)


def test_the_halves_share_no_caption():
    for name in (NAME, "learned"):
        tuning, held_out = testbeds.testbed(name).tuning, testbeds.testbed(name).held_out
        assert not set(tuning.memorized) & set(held_out.memorized)
        assert not set(tuning.ordinary) & set(held_out.ordinary)


def test_a_circle_of_noises_passes_through_both_and_stays_as_long():
    noise = noise_circle((3, 16, 16), range(2), 8)
    torch.testing.assert_close(noise[[0, 2]], start_noise((3, 16, 16), range(2)))
    lengths = noise.flatten(1).norm(dim=1)
    assert lengths.max() / lengths.min() < 1.1


def test_the_oracle_is_the_first_step_after_the_last_copy():
    rows = [[1, 1, 0, 0], [0, 0, 0, 0], [1, 0, 1, 0], [1, 1, 1, 1]]
    assert oracle(torch.tensor(rows).bool()).tolist() == [2, 0, 3, 3]


def test_the_first_true_step_or_none():
    assert first(torch.tensor([[False, True, False], [True, True, False]])).tolist() == [1, 0, 2]


def test_the_frechet_distance_of_normal_samples():
    random = np.random.default_rng(0)
    one, other = random.normal(0, 1, (20000, 3)), random.normal(1, 2, (20000, 3))
    assert frechet_distance(moments(one), moments(one)) == pytest.approx(0, abs=1e-6)
    assert frechet_distance(moments(one), moments(other)) == pytest.approx(3 * (1 + 1), rel=0.05)


def test_the_area_under_a_roc_curve():
    assert auc(np.array([3.0, 2.0]), np.array([1.0, 0.0])) == 1.0
    assert auc(np.array([1.0, 2.0]), np.array([1.0, 3.0])) == 0.375
    assert tpr_at_fpr(np.array([0.5, 1.5, 2.5]), np.arange(3.0)) == pytest.approx(1 / 3)


def test_an_interval_covers_the_mean_and_knows_what_varies():
    constant, captions_differ = np.ones(12), np.repeat([0.0, 1.0, 0.0], 4)
    assert interval(lambda i: constant[i].mean(), 3, 4, 100) == (1.0, 1.0)
    assert interval(lambda i: captions_differ[i].mean(), 3, 4, 1000) == (0.0, 1.0)
    assert all(map(math.isnan, interval(lambda i: math.nan, 3, 4, 10)))


def test_the_jackknife_of_a_mean_is_its_standard_error():
    values = np.array([1.0, 2.0, 4.0, 9.0])
    error = values.std(ddof=1) / 2
    assert jackknife(lambda i: values[i].mean(), 4, 1) == pytest.approx((4 - 2 * error, 4 + 2 * error))
    repeated = np.repeat(values, 3)
    assert jackknife(lambda i: repeated[i].mean(), 4, 3) == pytest.approx((4 - 2 * error, 4 + 2 * error))


def test_every_scenario_has_prompts_of_its_own_pictures():
    for name in plan.FULL.scenarios:
        bed = testbeds.testbed(name)
        for prompt in bed.held_out.memorized[:8]:
            similarity = bed.similarity(bed.memorized, prompt)
            assert (similarity > bed.copy_threshold).sum() == (4 if name == "class labels" else 1)
    assert testbeds.testbed("trigger words alone").alignment(testbeds.PICTURES.means[:2], "dusk").isnan().all()


def test_a_small_benchmark_writes_its_results(tmp_path):
    report(plan.QUICK, tmp_path)
    with (tmp_path / "closed-form-eps" / "table.csv").open(encoding="utf-8") as file:
        rows = {(row["captions"], row["method"]): row for row in csv.DictReader(file)}
    assert float(rows["memorized", "no mitigation"]["copied"]) == 1.0
    assert float(rows["memorized", "opposite 2 + escape"]["copied"]) == 0.0
    gated = rows["ordinary", "zero + escape, deadline 0.6, gate"]
    assert gated["similarity mean"] == rows["ordinary", "no mitigation"]["similarity mean"]
    with (tmp_path / "scenarios" / "table.csv").open(encoding="utf-8") as file:
        rows = {(row["testbed"], row["method"]): row for row in csv.DictReader(file)}
    assert {name for name, _ in rows} == set(plan.FULL.scenarios)
    assert float(rows["small data set", "no mitigation"]["copied"]) == 1.0
    assert float(rows["small data set", "zero + static t = 500"]["copied any"]) == 1.0
    assert rows["trigger words alone", "no mitigation"]["alignment"] == ""
    assert {path.suffix for path in (tmp_path / "closed-form-eps").iterdir()} == {".csv", ".json", ".png"}
