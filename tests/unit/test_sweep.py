import json

import pytest
import torch
from basin_escape.samplers.run import Run
from basin_escape.samplers.settings import Settings
from basin_escape.samplers.sweep import side_by_side, spread
from basin_escape.samplers.trace import GuidanceTrace

SCHEDULE = [10.0, 8.0, 6.0, 5.0, 4.0, 2.0, 0.0]


def run_static(percents, norms):
    """A run over SCHEDULE, with percent p at the noise level 10 (1 - p); norms per sample, the same in every step."""
    settings = Settings("static", static_percent=percents)
    run = Run(settings, lambda percent: 10.0 * (1 - percent), len(norms), elements=4, sigmas=SCHEDULE, cfg=7.5)
    states = []
    for sigma in SCHEDULE[:-1]:
        cond = -torch.tensor(norms)[:, None].expand(-1, 4) * sigma / 2
        level = torch.full((len(norms),), sigma)
        on = run(torch.zeros(len(norms), 4), cond, torch.zeros(len(norms), 4), level, 7.5)
        states.append(on.tolist())
    return run.trace, [list(sample) for sample in zip(*states, strict=True)]


def test_every_sample_has_its_own_static_transition():
    trace, states = run_static([0.0, 0.4, 0.55, 1.0], [1.0] * 4)
    assert states == [[True] * 6, [False] * 2 + [True] * 4, [False] * 4 + [True] * 2, [False] * 6]
    assert trace.transition_step.tolist() == [0, 2, 4, -1]
    assert trace.quantity("scale")[2].tolist() == [7.5, 7.5, 0.0, 0.0]


def test_one_static_transition_is_that_of_all_samples():
    assert run_static(0.4, [1.0, 2.0])[1] == run_static([0.4, 0.4], [1.0, 2.0])[1]


def test_a_transition_of_one_sample_out_of_range_is_refused():
    with pytest.raises(ValueError, match=r"^static_percent is 1.5: set it to a number from 0 to 1"):
        Settings("static", static_percent=[0.5, 1.5])


def test_points_are_spread_evenly_with_both_ends():
    assert spread(4, 0.1, 0.7) == pytest.approx([0.1, 0.3, 0.5, 0.7], abs=1e-15)
    assert spread(2, 0.0, 1.0) == [0.0, 1.0]


@pytest.mark.parametrize("last", [0.3, 0.2])
def test_a_range_that_does_not_rise_is_refused(last):
    with pytest.raises(ValueError, match=r"first_percent is 0.3 and last_percent .*Set last_percent above"):
        spread(4, 0.3, last)


def test_parts_side_by_side_are_the_whole():
    percents, norms = [0.0, 0.4, 0.55, 1.0, 0.7], [1.0, 2.0, 3.0, 4.0, 5.0]
    whole = run_static(percents, norms)[0]
    parts = [run_static(percents[:2], norms[:2])[0], run_static(percents[2:], norms[2:])[0]]
    assert side_by_side(parts).as_dict() == whole.as_dict()
    assert [len(part.transition_step) for part in parts] == [2, 3]


def test_a_sweeps_trace_is_saved():
    (run,) = json.loads(GuidanceTrace([run_static([0.2, 0.4], [1.0, 2.0])[0]]).to_json())["runs"]
    assert run["settings"]["static_percent"] == [0.2, 0.4] and run["transition_step"] == [1, 2]
