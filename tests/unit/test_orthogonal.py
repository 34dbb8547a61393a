"""Orthogonal guidance as a formula."""

import math

import pytest
import torch
from basin_escape.samplers.orthogonal import FirstPull
from basin_escape.samplers.run import Run
from basin_escape.samplers.settings import Settings
from hypothesis import given
from hypothesis import strategies as st

SIGMA = torch.tensor([10.0])


def left(first_pull, *g, sigma=10.0):
    rows = torch.tensor(g)
    return first_pull(rows, torch.full((len(rows),), sigma)).tolist()


def test_what_is_left_of_the_first_pull():
    first_pull = FirstPull()
    assert left(first_pull, [3.0, 4.0]) == [1.0]
    assert left(first_pull, [3.0, 4.0]) == [1.0]
    assert left(first_pull, [-4.0, 3.0]) == [0.0]  # another way
    assert left(first_pull, [1.5, 2.0]) == [0.5]
    assert left(first_pull, [-3.0, -4.0]) == [0.0]  # away from it
    assert left(first_pull, [5.0, 10.0]) == pytest.approx([55 / 25])


@pytest.mark.parametrize("repulsion", [0.0, 0.1, 1.0])
def test_what_is_followed_goes_the_repulsion_the_other_way(repulsion):
    first_pull, generator = FirstPull(), torch.Generator().manual_seed(0)
    uncond, first, later = (torch.randn(3, 4, 5, generator=generator) for _ in range(3))
    first_pull(first - uncond, SIGMA.expand(3))
    q = first_pull(later - uncond, SIGMA.expand(3))
    v = first - uncond
    for sample in range(3):
        share = ((later - uncond)[sample] * v[sample]).sum() / v[sample].square().sum()
        assert q[sample] == pytest.approx(max(share.item(), 0), abs=1e-5)
        followed = first_pull.taken_out(later, q, repulsion)[sample]
        along = ((followed - uncond[sample]) * v[sample]).sum() / v[sample].square().sum()
        assert along == pytest.approx(-repulsion * share.item() if share > 0 else share.item(), abs=1e-4)


def test_without_guidance_in_the_first_call_there_is_nothing_to_take_out():
    first_pull = FirstPull()
    assert left(first_pull, [0.0, 0.0]) == [0.0]
    for _ in range(3):
        left(first_pull, [0.0, 0.0])
    cond = torch.tensor([[1.0, 2.0]])
    assert torch.equal(first_pull.taken_out(cond, first_pull(torch.zeros(1, 2), SIGMA), 0.5), cond)


def test_a_finished_picture_that_is_shown_first_is_no_first_pull():
    first_pull = FirstPull()
    assert left(first_pull, [9.0, 9.0], sigma=0.0) == [0.0]
    assert left(first_pull, [3.0, 4.0]) == [1.0]
    assert left(first_pull, [3.0, -4.0]) == [0.0]


def test_a_size_that_changes_begins_anew():
    first_pull = FirstPull()
    left(first_pull, [3.0, 4.0])
    assert left(first_pull, [1.0, 1.0, 1.0]) == [1.0]


@given(st.lists(st.lists(st.floats(-3, 3, width=16), min_size=4, max_size=4), min_size=2, max_size=4))
def test_a_batch_is_its_samples_one_by_one(rows):
    together = FirstPull()
    alone = [FirstPull() for _ in rows]
    for turn in range(3):
        g = torch.tensor(rows).roll(turn, 1)
        q = together(g, SIGMA.expand(len(g)))
        singly = torch.cat([one(row[None], SIGMA) for one, row in zip(alone, g, strict=True)])
        torch.testing.assert_close(q, singly, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_sample_that_breaks_leaves_its_neighbours_alone(bad):
    first_pull = FirstPull()
    first_pull(torch.tensor([[bad] * 2, [3.0, 4.0]]), SIGMA.expand(2))
    q = first_pull(torch.tensor([[bad] * 2, [1.5, 2.0]]), SIGMA.expand(2))
    assert q[1] == 0.5
    assert first_pull.taken_out(torch.ones(2, 2), q, 0.0)[1].tolist() == [-0.5, -1.0]


def test_nothing_that_was_handed_in_is_changed():
    first_pull, g, cond = FirstPull(), torch.tensor([[3.0, 4.0]]), torch.tensor([[1.0, 2.0]])
    first_pull.taken_out(cond, first_pull(g, SIGMA), 0.1)
    assert g.tolist() == [[3.0, 4.0]] and cond.tolist() == [[1.0, 2.0]]


def call(run, cond, uncond, sigma):
    on = run(torch.zeros_like(cond), cond, uncond, torch.full((len(cond),), sigma), 7.5)
    return run.mitigated(cond, on)


@pytest.mark.parametrize("transition", ["never", "static", "dynamic", "escape"])
def test_a_run_takes_it_out_until_the_transition(transition):
    settings = Settings(transition, "orthogonal guidance", repulsion=0.0, latest_percent=1.0)
    run = Run(settings, lambda percent: 10.0 * (1 - percent), 1, 2, [10.0, 8.0, 6.0, 4.0, 2.0, 0.0], 7.5)
    uncond = torch.zeros(1, 2)
    norms = [3.0, 2.0, 3.0, 0.3, 0.2]
    followed = []
    for sigma, norm in zip((10.0, 8.0, 6.0, 4.0, 2.0), norms, strict=True):
        cond = torch.tensor([[norm * sigma, 1.0]])
        followed.append(torch.equal(call(run, cond, uncond, sigma), cond))
    begins = {"never": 5, "static": 3, "dynamic": 2, "escape": 3}[transition]
    assert followed == [step >= begins for step in range(5)]
    assert run.trace.transition_step.tolist() == [begins if begins < 5 else -1]
    assert run.trace.quantity("scale").flatten().tolist() == [7.5] * 5
    assert run.trace.quantity("first_pull")[0, 0] == 1 and run.trace.quantity("first_pull").shape == (5, 1)


def test_a_gated_sample_keeps_its_prediction_bit_for_bit():
    settings = Settings("never", "orthogonal guidance", memorization_threshold=0.5)
    run = Run(settings, lambda percent: 10.0 * (1 - percent), 2, 4, [10.0, 5.0, 0.0], 7.5)
    cond, uncond = torch.tensor([[1.0] * 4, [30.0] * 4]), torch.zeros(2, 4)
    for sigma in (10.0, 5.0):
        followed = call(run, cond, uncond, sigma)
        assert torch.equal(followed[0], cond[0]) and not torch.equal(followed[1], cond[1])
    assert run.trace.gated.tolist() == [True, False] and run.trace.reasons == ["gate", None]
