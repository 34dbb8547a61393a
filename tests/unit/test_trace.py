import json
import math

import pytest
import torch
from basin_escape.samplers.settings import Settings
from basin_escape.samplers.trace import QUANTITIES, RUNS_KEPT, GuidanceTrace, RunTrace


def make_trace_of_run(cfg=7.5, value=0.0):
    observations = torch.rand(2, len(QUANTITIES), 2)
    observations[0, 0], observations[1, 2] = value, math.nan
    settings = Settings("static", "opposite guidance", 3.0)
    return RunTrace(settings, cfg, 768, torch.tensor([1, -1]), torch.tensor([False, True]), observations)


def assert_same(one, other):
    assert (one.settings, one.elements) == (other.settings, other.elements)
    assert one.cfg == other.cfg or (math.isnan(one.cfg) and math.isnan(other.cfg))
    assert torch.equal(one.transition_step, other.transition_step) and torch.equal(one.gated, other.gated)
    for name in QUANTITIES:
        torch.testing.assert_close(one.quantity(name), other.quantity(name), rtol=0, atol=0, equal_nan=True)


def no_constant(name):
    raise AssertionError(f"{name} is not JSON")


@pytest.mark.parametrize("cfg", [7.5, math.nan])
def test_json_round_trips_to_the_last_bit(cfg):
    trace = GuidanceTrace([make_trace_of_run(cfg), make_trace_of_run(cfg)])
    text = trace.to_json()
    json.loads(text, parse_constant=no_constant)
    restored = GuidanceTrace.from_json(text)
    assert len(restored.runs) == 2
    for one, other in zip(trace.runs, restored.runs, strict=True):
        assert_same(one, other)


def test_a_trace_saved_before_the_pull_was_recorded_is_read():
    data = json.loads(GuidanceTrace([make_trace_of_run()]).to_json())
    del data["runs"][0]["pull"]
    (run,) = GuidanceTrace.from_json(json.dumps(data)).runs
    assert run.quantity("pull").isnan().all() and run.quantity("pull").shape == run.quantity("sigma").shape
    assert torch.equal(run.quantity("scale"), torch.tensor(data["runs"][0]["scale"]))


def test_what_is_not_finite_becomes_null():
    data = json.loads(GuidanceTrace([make_trace_of_run(cfg=math.nan)]).to_json())
    assert (data["schema"], data["version"]) == ("basin-escape/guidance-trace", 1)
    assert data["runs"][0]["cfg"] is None and data["runs"][0]["guidance_norm"][1] == [None, None]


def test_the_oldest_runs_leave():
    trace = GuidanceTrace()
    for value in range(RUNS_KEPT + 3):
        trace.append(make_trace_of_run(value=float(value)))
    assert [run.quantity("sigma")[0, 0].item() for run in trace.runs] == list(range(3, RUNS_KEPT + 3))


def test_a_run_without_guidance_is_no_run():
    nothing = torch.empty(0, len(QUANTITIES), 1)
    trace = GuidanceTrace([RunTrace(Settings("off"), 1.0, 4, torch.tensor([-1]), torch.tensor([False]), nothing)])
    assert trace.runs == [] and json.loads(trace.to_json())["runs"] == []


def damage(change):
    data = json.loads(GuidanceTrace([make_trace_of_run()]).to_json())
    change(data)
    return json.dumps(data)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no JSON",
        "[]",
        "null",
        "{}",
        "[" * 100_000,
        GuidanceTrace([make_trace_of_run()]).to_json()[:-20],
        damage(lambda data: data.update(schema="other")),
        damage(lambda data: data.update(version=2)),
        damage(lambda data: data.update(runs=3)),
        damage(lambda data: data["runs"][0].pop("sigma")),
        damage(lambda data: data["runs"][0].update(sigma=[[1.0], [2.0, 3.0]])),
        damage(lambda data: data["runs"][0].update(sigma=[[1.0, 2.0]])),
        damage(lambda data: data["runs"][0].update(sigma="many")),
        damage(lambda data: data["runs"][0].update(gated=[True])),
        damage(lambda data: data["runs"][0].update(cfg={})),
        damage(lambda data: data["runs"][0].update(elements="all")),
        damage(lambda data: data["runs"][0]["settings"].update(opposite_scale=-5)),
        damage(lambda data: data["runs"][0]["settings"].update(opposite_scale="2")),
        damage(lambda data: data["runs"][0]["settings"].update(unknown=1)),
    ],
)
def test_a_damaged_file_gives_a_clear_error(text):
    with pytest.raises(ValueError, match=r"^This is not a guidance trace of schema"):
        GuidanceTrace.from_json(text)
