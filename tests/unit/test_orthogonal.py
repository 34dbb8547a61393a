"""Orthogonal guidance as a formula."""

import math

import pytest
import torch
from basin_escape.samplers.orthogonal import Pulls
from basin_escape.samplers.run import Run
from basin_escape.samplers.settings import Settings
from hypothesis import assume, given
from hypothesis import strategies as st

SHOWN = torch.tensor([True])


def both(pulls, *g, shown=True):
    rows = torch.tensor(g)
    return pulls(rows, torch.full((len(rows),), shown))


def left(pulls, *g, shown=True):
    return both(pulls, *g, shown=shown)[0].tolist()


def test_what_is_left_of_the_first_pull():
    pulls = Pulls()
    assert left(pulls, [3.0, 4.0]) == [1.0]
    assert left(pulls, [3.0, 4.0]) == [1.0]
    assert left(pulls, [-4.0, 3.0]) == [0.0]  # another way
    assert left(pulls, [1.5, 2.0]) == [0.5]
    assert left(pulls, [-3.0, -4.0]) == [0.0]  # away from it
    assert left(pulls, [5.0, 10.0]) == pytest.approx([55 / 25])


@pytest.mark.parametrize("repulsion", [0.0, 0.1, 1.0])
def test_what_is_followed_goes_the_repulsion_the_other_way(repulsion):
    pulls, generator = Pulls(), torch.Generator().manual_seed(0)
    uncond, first, later = (torch.randn(3, 4, 5, generator=generator) for _ in range(3))
    pulls(first - uncond, SHOWN.expand(3))
    q = pulls(later - uncond, SHOWN.expand(3))
    v = first - uncond
    for sample in range(3):
        share = ((later - uncond)[sample] * v[sample]).sum() / v[sample].square().sum()
        assert q[0, sample] == pytest.approx(max(share.item(), 0), abs=1e-5) and q[1, sample] == 0
        followed = pulls.taken_out(later, q, repulsion)[sample]
        along = ((followed - uncond[sample]) * v[sample]).sum() / v[sample].square().sum()
        assert along == pytest.approx(-repulsion * share.item() if share > 0 else share.item(), abs=1e-4)


def test_without_guidance_in_the_first_call_there_is_nothing_to_take_out():
    pulls = Pulls()
    assert left(pulls, [0.0, 0.0]) == [0.0]
    for _ in range(3):
        left(pulls, [0.0, 0.0])
    cond = torch.tensor([[1.0, 2.0]])
    assert torch.equal(pulls.taken_out(cond, pulls(torch.zeros(1, 2), SHOWN), 0.5), cond)


@pytest.mark.parametrize("calls", [1, 3])
def test_the_first_pull_is_the_first_that_a_sample_shows(calls):
    pulls = Pulls()
    for _ in range(calls):
        assert left(pulls, [9.0, 9.0], shown=False) == [0.0]
    assert left(pulls, [3.0, 4.0]) == [1.0]
    assert left(pulls, [3.0, -4.0]) == [0.0]


def test_a_size_that_changes_begins_anew():
    pulls = Pulls()
    left(pulls, [3.0, 4.0])
    assert left(pulls, [1.0, 1.0, 1.0]) == [1.0]


@given(st.lists(st.lists(st.floats(-3, 3, width=16), min_size=4, max_size=4), min_size=2, max_size=4))
def test_a_batch_is_its_samples_one_by_one(rows):
    together = Pulls()
    alone = [Pulls() for _ in rows]
    for turn in range(3):
        g = torch.tensor(rows).roll(turn, 1)
        q = together(g, SHOWN.expand(len(g)))
        singly = torch.cat([one(row[None], SHOWN) for one, row in zip(alone, g, strict=True)], dim=1)
        torch.testing.assert_close(q, singly, rtol=1e-5, atol=1e-6)


def test_what_outgrows_the_first_pull_is_taken_out_too():
    pulls = Pulls()
    # v = (1, 0, 0); 1.75 |v| is not outgrown by 1.75, and by 2 it is: w = (0, 2, 0).
    calls = [[1.0, 0.0, 0.0], [0.5, 1.75, 0.0], [-4.0, 2.0, 0.0], [1.0, 1.0, 9.0], [0.0, -1.0, 0.0]]
    expected = [[1.0, 0.0], [0.5, 0.0], [0.0, 1.0], [1.0, 0.5], [0.0, 0.0]]
    followed = [[0.0, 0, 0], [0, 1.75, 0], [-4, 0, 0], [0, 0, 9], [0, -1, 0]]
    for g, shares, rest in zip(calls, expected, followed, strict=True):
        q = both(pulls, g)
        assert q[:, 0].tolist() == shares
        assert pulls.taken_out(torch.tensor([g]), q, 0.0).tolist() == [rest]


def written_out(rows, repulsion):
    """A sample's guidance in plain Python, call by call: what is left of it, and how much of both pulls there was."""

    def dot(one, other):
        return sum(a * b for a, b in zip(one, other, strict=True))

    def along(g, v):
        return dot(g, v) / dot(v, v) if v and dot(v, v) > 0 else 0.0

    v, w, found = None, None, []
    for g in rows:
        v = g if v is None or dot(v, v) == 0 else v
        q = max(along(g, v), 0.0)
        further = dot(g, g) - q * q * dot(v, v) - 1.75**2 * dot(v, v)
        assume(abs(further) > 1e-3 or g == v)  # rounding decides the rest
        if w is None and dot(v, v) > 0 and further > 0:
            w = [a - along(g, v) * b for a, b in zip(g, v, strict=True)]
        p = max(along(g, w), 0.0)
        rest = [a - (1 + repulsion) * (q * b + p * c) for a, b, c in zip(g, v, w or [0.0] * len(g), strict=True)]
        found.append((rest, q, p))
    return found


COMPONENT = st.integers(-40, 40).map(lambda quarter: quarter / 4)


@given(st.lists(st.lists(COMPONENT, min_size=3, max_size=3), min_size=2, max_size=6), st.sampled_from([0.0, 0.07, 1.0]))
def test_both_pulls_are_the_written_out_loop(rows, repulsion):
    pulls = Pulls()
    for g, (rest, q, p) in zip(rows, written_out(rows, repulsion), strict=True):
        found = pulls(torch.tensor([g]), SHOWN)
        torch.testing.assert_close(found[:, 0], torch.tensor([q, p]), rtol=1e-4, atol=1e-4)
        followed = pulls.taken_out(torch.tensor([g]), found, repulsion)
        torch.testing.assert_close(followed[0], torch.tensor(rest), rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_sample_that_breaks_leaves_its_neighbours_alone(bad):
    pulls = Pulls()
    pulls(torch.tensor([[bad] * 2, [3.0, 4.0]]), SHOWN.expand(2))
    q = pulls(torch.tensor([[bad] * 2, [1.5, 2.0]]), SHOWN.expand(2))
    assert q[:, 1].tolist() == [0.5, 0.0]
    assert pulls.taken_out(torch.ones(2, 2), q, 0.0)[1].tolist() == [-0.5, -1.0]


def test_nothing_that_was_handed_in_is_changed():
    pulls, g, cond = Pulls(), torch.tensor([[3.0, 4.0]]), torch.tensor([[1.0, 2.0]])
    pulls.taken_out(cond, pulls(g, SHOWN), 0.1)
    assert g.tolist() == [[3.0, 4.0]] and cond.tolist() == [[1.0, 2.0]]


def call(run, cond, uncond, sigma):
    on = run(torch.zeros_like(cond), cond, uncond, torch.full((len(cond),), sigma), 7.5)
    return run.mitigated(cond, uncond, on)


@pytest.mark.parametrize("transition", ["never", "static", "dynamic", "escape"])
def test_a_run_takes_it_out_until_the_transition(transition):
    settings = Settings(transition, "orthogonal guidance", repulsion=0.0, latest_percent=1.0)
    run = Run(settings, lambda percent: 10.0 * (1 - percent), 1, 2, [10.0, 8.0, 6.0, 4.0, 2.0, 0.0], 7.5)
    uncond = torch.tensor([[0.0, 1.0]])
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
    cond, uncond = torch.tensor([[1.0] * 4, [30.0] * 4]), torch.full((2, 4), 2.0)
    for sigma in (10.0, 5.0):
        followed = call(run, cond, uncond, sigma)
        assert torch.equal(followed[0], cond[0]) and not torch.equal(followed[1], cond[1])
    assert run.trace.gated.tolist() == [True, False] and run.trace.reasons == ["gate", None]
