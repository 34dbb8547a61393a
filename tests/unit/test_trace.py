import json
import math

import pytest
import torch
from basin_escape.samplers.settings import Settings
from basin_escape.samplers.trace import RUNS_KEPT, GuidanceTrace, RunTrace

NAMES = ("sigma", "timestep", "guidance_norm", "conditional_norm", "unconditional_norm", "scale")


def make_trace_of_run(cfg=7.5, value=0.0):
    series = {name: torch.rand(2, 2) for name in NAMES}
    series["sigma"][0], series["guidance_norm"][1] = value, math.nan
    settings = Settings("static", "opposite guidance", 3.0)
    return RunTrace(settings, cfg, 768, torch.tensor([1, -1]), torch.tensor([False, True]), series, ["static", None])


def no_constant(name):
    raise AssertionError(f"{name} is not JSON")


@pytest.mark.parametrize("cfg", [7.5, math.nan])
def test_json_has_every_number_to_the_last_bit(cfg):
    run = make_trace_of_run(cfg)
    data = json.loads(GuidanceTrace([run, run]).to_json(), parse_constant=no_constant)
    assert (data["schema"], data["version"]) == ("basin-escape/guidance-trace", 1) and len(data["runs"]) == 2
    for saved in data["runs"]:
        for name in NAMES:
            values = torch.tensor([[math.nan if value is None else value for value in row] for row in saved[name]])
            torch.testing.assert_close(values, run.quantity(name), rtol=0, atol=0, equal_nan=True)
        assert saved["cfg"] == (None if math.isnan(cfg) else cfg) and saved["elements"] == 768
        assert saved["transition_step"] == [1, -1] and saved["gated"] == [False, True]
        assert saved["reasons"] == ["static", None]
        assert saved["settings"]["before_transition"] == "opposite guidance"


def test_what_is_not_finite_becomes_null():
    data = json.loads(GuidanceTrace([make_trace_of_run(cfg=math.nan)]).to_json())
    assert data["runs"][0]["cfg"] is None and data["runs"][0]["guidance_norm"][1] == [None, None]


def test_a_series_is_there_for_those_who_watch_it_only():
    run = make_trace_of_run()
    assert "pull" not in run.series and "pull" not in run.as_dict()
    with pytest.raises(KeyError):
        run.quantity("pull")


def test_observations_are_added_and_the_first_switch_stays():
    run = RunTrace(Settings(), 7.5, 4, torch.tensor([-1, -1]), torch.tensor([False, False]))
    for first, on in ((0.0, [[False, False], [False, True]]), (2.0, [[True, True], [True, True]])):
        rows = torch.arange(first, first + 2)[:, None].expand(-1, 2)
        run.add({"sigma": rows, "guidance_norm": -rows}, torch.tensor(on))
    assert run.steps == 4 and run.quantity("guidance_norm")[:, 1].tolist() == [0, -1, -2, -3]
    assert run.transition_step.tolist() == [2, 1]


def test_the_oldest_runs_leave():
    trace = GuidanceTrace()
    for value in range(RUNS_KEPT + 3):
        trace.append(make_trace_of_run(value=float(value)))
    assert [run.quantity("sigma")[0, 0].item() for run in trace.runs] == list(range(3, RUNS_KEPT + 3))


def test_a_run_without_guidance_is_no_run():
    trace = GuidanceTrace([RunTrace(Settings("off"), 1.0, 4, torch.tensor([-1]), torch.tensor([False]))])
    assert trace.runs == [] and json.loads(trace.to_json())["runs"] == []
