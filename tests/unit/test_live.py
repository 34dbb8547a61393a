"""What the page is told of a run, without a server."""

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from basin_escape.nodes import live
from basin_escape.nodes.live import LiveCurve, message
from basin_escape.samplers.settings import Settings
from basin_escape.samplers.status import Facts
from basin_escape.samplers.trace import RunTrace

NOTHING = torch.zeros(0)


def run_of(steps, **change):
    norms = torch.arange(1.0, steps + 1)[:, None] * torch.tensor([2.0, torch.nan])
    levels = torch.linspace(1000, 0, steps)[:, None].expand(-1, 2)
    series = {"sigma": levels, "timestep": levels, "guidance_norm": norms, "first_pull": norms / 10}
    run = RunTrace(Settings(), 7.5, 4, torch.tensor([-1, -1]), torch.zeros(2).bool(), series, [None, None])
    return replace(run, **{"facts": Facts(model_calls=steps), **change})


@pytest.fixture
def heard(monkeypatch):
    """A server with a page that listens, what it was sent, and the time."""
    clock = SimpleNamespace(now=0.0)
    monkeypatch.setattr(live.time, "monotonic", lambda: clock.now)
    sent = []
    send = lambda event, data, client: sent.append(data)  # noqa: E731
    server = SimpleNamespace(client_id="page", sockets={"page": None}, last_prompt_id="prompt", send_sync=send)
    server.prompt_queue = SimpleNamespace(currently_running={})
    return server, sent, clock


def test_norms_are_in_rms_and_gaps_are_null():
    data = json.loads(json.dumps(message(run_of(2), 0, False), allow_nan=False))
    assert data["series"] == {"guidance_norm": [[1.0, None], [2.0, None]], "first_pull": [[0.2, None], [0.4, None]]}
    assert message(run_of(3), 2, False)["timesteps"] == [0.0]


def test_the_whole_run_is_told_about_once_a_second_and_at_the_end(heard):
    server, sent, clock = heard
    curve, run = LiveCurve("7", server), run_of(0)
    for step in range(1, 41):
        clock.now += 0.125
        run.series = run_of(step).series
        curve(run, False)
    curve(run, True)
    whole = [data for data in sent if data["first"] == 0]
    assert [len(data["timesteps"]) for data in whole] == [1, 9, 17, 25, 33, 40] and len(sent) == 41
    assert {data["run"] for data in sent} == {sent[0]["run"]} and sent[0]["prompt_id"] == "prompt"
    curve(run_of(1), False)
    assert sent[-1]["run"] != sent[0]["run"] and sent[-1]["first"] == 0


def test_nobody_is_told_where_no_page_listens(heard):
    server, sent, _ = heard
    server.sockets = {}
    curve = LiveCurve("7", server)
    curve(run_of(3), True)
    assert not sent and not curve.due()


def test_an_interrupted_run_says_so_alone(heard):
    server, sent, _ = heard
    LiveCurve("7", server)(run_of(3, facts=Facts(interrupted=True)), True)
    (data,) = sent
    assert data["interrupted"] and data["status"]["kind"] == "interrupted" and data["words"] == ""


def test_a_run_without_an_observation_has_a_status(heard):
    server, sent, _ = heard
    empty = RunTrace(Settings(), 7.5, 0, NOTHING.int(), NOTHING.bool())
    LiveCurve("7", server)(empty, True)
    (data,) = sent
    assert data["timesteps"] == [] and data["series"] == {} and data["status"]["kind"] == "no effect"


def run_from(server, extra_data):
    server.prompt_queue.currently_running = {3: (0, "prompt", {}, extra_data, []), 4: (1, "other", {}, {}, [])}
    LiveCurve("7", server)(run_of(3), True)


def test_a_message_says_which_prompt_of_which_workflow_it_belongs_to(heard):
    server, sent, _ = heard
    run_from(server, {"extra_pnginfo": {"workflow": {"id": "graph", "extra": {live.MARK: "tab"}}}})
    assert [sent[-1][key] for key in ("prompt_id", "workflow", "mark")] == ["prompt", "graph", "tab"]
    for extra_data in ({}, {"extra_pnginfo": None}, {"extra_pnginfo": {"workflow": {}}}):  # queued by an API
        run_from(server, extra_data)
        assert [sent[-1][key] for key in ("prompt_id", "workflow", "mark")] == ["prompt", None, None]


def test_a_cached_node_tells_of_the_prompt_that_is_running(heard):
    server, sent, _ = heard
    curve = LiveCurve("7", server)
    for prompt in ("first", "second"):
        server.last_prompt_id = prompt
        workflow = {"id": "graph", "extra": {live.MARK: f"mark of {prompt}"}}
        server.prompt_queue.currently_running = {0: (0, prompt, {}, {"extra_pnginfo": {"workflow": workflow}}, [])}
        curve(run_of(3), True)
        assert (sent[-1]["prompt_id"], sent[-1]["mark"]) == (prompt, f"mark of {prompt}")
