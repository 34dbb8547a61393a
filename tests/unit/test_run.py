import math

import pytest
import torch
from basin_escape.samplers.guidance import before_transition, select
from basin_escape.samplers.run import Run
from basin_escape.samplers.settings import Settings
from hypothesis import given
from hypothesis import strategies as st

SCHEDULE = [10.0, 8.0, 6.0, 5.0, 4.0, 2.0, 0.0]
CFG = 7.5


def percent_to_sigma(percent):
    """A noise schedule that is easy to do in one's head."""
    return 10.0 * (1 - percent)


def make_run(settings, batch=1, sigmas=SCHEDULE):
    return Run(settings, percent_to_sigma, batch, elements=4, sigmas=sigmas, cfg=CFG)


def call(run, norms, sigma):
    """One model call whose guidance has the given L2 norms; returns which samples came out as the host's."""
    batch = len(norms)
    x, uncond = torch.zeros(batch, 4), torch.full((batch, 4), 64.5)
    cond = uncond - torch.tensor(norms)[:, None] * sigma / 2  # norm of four equal elements: twice one of them
    host = torch.full((batch, 4), 99.0)
    on = run(x, cond, uncond, torch.full((batch,), sigma), CFG)
    result = select(on, host, before_transition(run.settings, cond, uncond))
    under_cfg = (result == host).all(1)
    assert (under_cfg | (result == uncond).all(1)).all()
    return under_cfg.tolist()


def drive(run, norms):
    """norms: [samples][calls], one call per level of SCHEDULE. Returns [samples][calls]."""
    calls = [call(run, list(column), sigma) for column, sigma in zip(zip(*norms, strict=True), SCHEDULE, strict=False)]
    return [list(sample) for sample in zip(*calls, strict=True)]


def test_the_dynamic_switch_includes_the_observation_that_reveals_the_minimum():
    run = make_run(Settings(latest_percent=1.0), batch=2)
    falls, never = [3.0, 2.0, 3.0, 9.0, 1.0, 1.0], [3.0, 4.0, 3.0, 2.0, 1.0, 0.5]
    assert drive(run, [falls, never]) == [[False, False, True, True, True, True], [False] * 6]
    assert run.trace.transition_step.tolist() == [2, -1]
    torch.testing.assert_close(run.trace.quantity("guidance_norm"), torch.tensor([falls, never]).T)
    assert run.trace.quantity("scale").T.tolist() == [[0.0, 0.0] + [CFG] * 4, [0.0] * 6]
    assert run.trace.quantity("sigma")[:, 0].tolist() == SCHEDULE[:-1]
    timesteps = torch.tensor([100 * sigma for sigma in SCHEDULE[:-1]])
    torch.testing.assert_close(run.trace.quantity("timestep")[:, 1], timesteps, rtol=0, atol=0.5)


def test_the_escape_is_where_guidance_no_longer_reaches_the_first_prediction():
    # The predictions of `call` are on one line, so the pull is norm times sigma by that of the first call: 20.
    run = make_run(Settings("escape", latest_percent=1.0), batch=3)
    leaves, stays = [2.0, 2.0, 2.0, 0.5, 9.0, 9.0], [2.0, 2.5, 10 / 3, 4.0, 5.0, 10.0]
    just = [2.0, 0.34, 0.45, 0.53, 0.66, 1.4]  # times sigma: 2.72, 2.7, 2.65 and below 20 / 7.5 = 2.67
    states = drive(run, [leaves, stays, just])
    assert states == [[False] * 3 + [True] * 3, [False] * 6, [False] * 3 + [True] * 3]
    assert run.trace.transition_step.tolist() == [3, -1, 3]
    torch.testing.assert_close(run.trace.quantity("pull")[:, 0], torch.tensor([1, 0.8, 0.6, 0.125, 1.8, 0.9]))


def test_the_deadline_ends_an_escape_too():
    run = make_run(Settings("escape", latest_percent=0.5))
    assert drive(run, [[2.0, 2.5, 10 / 3, 4.0, 5.0, 10.0]]) == [[False, False, False, True, True, True]]


def test_without_a_known_guidance_scale_there_is_no_escape_before_the_deadline():
    run = make_run(Settings("escape", latest_percent=0.5))
    for sigma in SCHEDULE[:3]:
        on = run(torch.zeros(1, 4), torch.full((1, 4), 2.0), torch.ones(1, 4), torch.tensor([sigma]), math.nan)
        assert on.tolist() == [False]


@pytest.mark.parametrize("transition", ["dynamic", "static", "off"])
def test_only_an_escape_has_a_pull(transition):
    run = make_run(Settings(transition))
    drive(run, [[2.0] * 6])
    assert "pull" not in run.trace.series
    assert run.trace.quantity("guidance_norm").shape == (6, 1) and run.trace.quantity("guidance_norm").isfinite().all()
    assert run.watch.target.numel() == 0


def test_a_sampler_that_changes_the_size_on_the_way_gets_a_new_target():
    run = make_run(Settings("escape", latest_percent=1.0))
    for sigma, size in ((10.0, 4), (8.0, 9)):
        run(torch.zeros(1, size), torch.full((1, size), 2.0), torch.ones(1, size), torch.tensor([sigma]), CFG)
    assert run.trace.quantity("pull").flatten().tolist() == [1.0, 1.0]


def test_the_deadline_acts_where_no_minimum_was_seen():
    run = make_run(Settings(latest_percent=0.5), batch=2)
    states = drive(run, [[6.0, 5.0, 4.0, 3.0, 2.0, 1.0], [6.0, 5.0, 6.0, 3.0, 2.0, 1.0]])
    assert states == [[False, False, False, True, True, True], [False, False, True, True, True, True]]


def test_a_static_transition_is_the_noise_level_of_its_percent():
    run = make_run(Settings("static", static_percent=0.5))
    assert drive(run, [[1.0] * 6]) == [[False, False, False, True, True, True]]
    assert run.trace.transition_step.tolist() == [3]


def test_a_static_transition_has_no_state():
    run = make_run(Settings("static", static_percent=0.5))
    assert [call(run, [1.0], sigma) for sigma in (10.0, 5.0, 8.0, 4.0)] == [[False], [True], [False], [True]]


def test_the_gate_judges_the_first_observation_in_rms():
    # Four elements: an L2 norm of 0.2 is an RMS of 0.1.
    run = make_run(Settings(memorization_threshold=0.1), batch=3)
    falls = [1.0, 0.5, 1.0, 1.0, 1.0, 1.0]
    states = drive(run, [[0.19, *falls[1:]], [0.21, *falls[1:]], [0.21, 0.1, 0.05, 0.04, 0.03, 0.02]])
    assert [sample[:3] for sample in states] == [[True] * 3, [False] * 3, [False] * 3]
    assert run.trace.gated.tolist() == [True, False, False]
    assert run.trace.transition_step.tolist()[0] == 0


def test_the_gate_works_for_a_static_transition_too():
    run = make_run(Settings("static", memorization_threshold=0.1), batch=2)
    assert [sample[:3] for sample in drive(run, [[0.1] * 6, [0.3] * 6])] == [[True] * 3, [False] * 3]


def test_off_changes_nothing_and_records():
    run = make_run(Settings("off"))
    assert drive(run, [[3.0, 2.0, 3.0, 4.0, 5.0, 6.0]]) == [[True] * 6]
    assert run.trace.transition_step.tolist() == [-1]
    assert run.trace.quantity("scale").flatten().tolist() == [CFG] * 6


def test_an_ascending_schedule_passes_through():
    run = make_run(Settings(), sigmas=SCHEDULE[::-1])
    assert [call(run, [1.0], sigma) for sigma in (2.0, 4.0, 10.0)] == [[True]] * 3
    assert not run.active and run.trace.steps == 0


def test_between_observations_the_decision_holds():
    run = make_run(Settings(latest_percent=1.0))
    calls = [(10.0, 3.0), (9.0, 1.0), (8.0, 2.0), (7.0, 9.0), (6.0, 3.0), (7.0, 0.0), (5.0, 1.0)]
    assert [call(run, [norm], sigma)[0] for sigma, norm in calls] == [False] * 4 + [True] * 3
    assert run.trace.quantity("guidance_norm").flatten().tolist() == [3.0, 2.0, 3.0, 1.0]


@given(
    st.lists(st.lists(st.floats(0.125, 8, width=16), min_size=6, max_size=6), min_size=1, max_size=4),
    st.sampled_from(["dynamic", "escape"]),
)
def test_a_batch_is_its_samples_one_by_one(norms, transition):
    settings = Settings(transition, latest_percent=0.7, memorization_threshold=0.5)
    together = drive(make_run(settings, batch=len(norms)), norms)
    assert together == [drive(make_run(settings), [sample])[0] for sample in norms]


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_sample_that_breaks_leaves_its_neighbours_alone(bad):
    norms = [3.0, 2.0, 3.0, 9.0, 1.0, 1.0]
    run = make_run(Settings(latest_percent=1.0), batch=2)
    states = []
    for norm, sigma in zip(norms, SCHEDULE, strict=False):
        cond = torch.tensor([[bad] * 4, [64.5 - norm * sigma / 2] * 4])
        on = run(torch.zeros(2, 4), cond, torch.full((2, 4), 64.5), torch.full((2,), sigma), CFG)
        states.append(on.tolist()[1])
    assert states == [False, False, True, True, True, True]
    assert run.trace.transition_step.tolist() == [-1, 2]


def test_a_skipped_pass_leaves_a_gap_in_the_curves():
    run = make_run(Settings("static"))
    run.skip(torch.tensor([10.0]))
    call(run, [1.0], 5.0)
    assert run.trace.quantity("sigma").flatten().tolist() == [10.0, 5.0]
    assert run.trace.quantity("guidance_norm").isnan().flatten().tolist() == [True, False]
    assert run.trace.quantity("scale").flatten().tolist() == [0.0, CFG]
    assert run.trace.transition_step.tolist() == [1]
