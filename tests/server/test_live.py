"""The messages from which the page draws the curve while sampling."""

import json

from basin_escape.tests.support.saved import read_trace

from .conftest import load, node, run

EVENT = "basin_escape.curve"


def messages_of(server, **widgets):
    """The curve's messages of one run of the guider workflow, and the run that it saved."""
    prompt = load("testbed_guider", server)
    guider = node(prompt, "BasinEscapeGuider")
    prompt[guider]["inputs"].update(widgets)
    messages, _, outputs = run(server, prompt)
    (file,) = outputs[node(prompt, "SaveGuidanceTrace")]["text"]
    saved = read_trace(server.base / "output" / file)
    curve = [event["data"] for event in messages if event["type"] == EVENT]
    (started,) = (event["data"]["prompt_id"] for event in messages if event["type"] == "execution_start")
    assert all((data["node"], data["prompt_id"]) == (guider, started) for data in curve)
    assert len({data["run"] for data in curve}) == 1
    return curve, saved.runs[-1]


def test_the_messages_make_up_the_saved_curve(server):
    curve, saved = messages_of(server, opposite_scale=1.75)
    assert len(curve) > 1 and [data["ended"] for data in curve] == [False] * (len(curve) - 1) + [True]
    norms, timesteps = [], []
    for data in curve:
        assert data["first"] in (0, len(norms))
        norms[data["first"] :] = data["series"]["guidance_norm"]
        timesteps[data["first"] :] = data["timesteps"]
    expected = (saved.quantity("guidance_norm") / saved.elements**0.5).tolist()
    assert norms == [[float(f"{value:.4g}") for value in row] for row in expected]
    assert timesteps == [round(value, 1) for value in saved.quantity("timestep")[:, 0].tolist()]


def test_the_last_message_holds_the_whole_run_and_its_decisions(server):
    curve, saved = messages_of(server, opposite_scale=1.8)
    last = curve[-1]
    assert last["first"] == 0 and len(last["timesteps"]) == len(last["series"]["guidance_norm"]) == 50
    assert last["transition_step"] == saved.transition_step.tolist() and last["reasons"] == saved.reasons
    assert last["gated"] == saved.gated.tolist() == [False] * 4
    assert last["threshold"] == 0.01 and last["mitigates"] and not last["interrupted"]
    assert last["words"].startswith("CFG began at steps ")
    assert last["status"] == {"kind": "protecting", "sentences": ["protecting: opposite guidance."]}


def test_a_page_that_comes_in_the_middle_of_a_run_is_told_all_of_it(server):
    """About once a second: this run takes several."""
    prompt = load("testbed_guider", server)
    prompt[node(prompt, "BasicScheduler")]["inputs"]["steps"] = 400
    messages, _, _ = run(server, prompt)
    curve = [event["data"] for event in messages if event["type"] == EVENT]
    whole = [data for data in curve if data["first"] == 0]
    assert len(whole) >= 3 and len(whole) < len(curve) / 2
    for data in whole:
        assert len(data["timesteps"]) == len(data["series"]["guidance_norm"])


def test_off_has_neither_gate_nor_mitigation(server):
    curve, _ = messages_of(server, transition="off")
    last = curve[-1]
    assert (last["threshold"], last["mitigates"], last["words"]) == (None, False, "plain CFG")
    assert last["status"]["kind"] == "off"
    assert last["reasons"] == [None] * 4


def test_a_skipped_pass_is_null(server):
    widgets = {"transition": "static", "before_transition": "zero guidance", "memorization_threshold": 0.0}
    curve, _ = messages_of(server, skip_unused_pass=True, **widgets)
    norms = curve[-1]["series"]["guidance_norm"]
    assert [row[0] is None for row in norms] == [True] * 25 + [False] * 25
    assert "NaN" not in json.dumps(curve)


def test_a_prompt_that_nobody_watches_runs_too(server):
    prompt = load("testbed_guider", server)
    prompt[node(prompt, "BasinEscapeGuider")]["inputs"].update(opposite_scale=1.5)
    entry = server.wait(server.post("/prompt", {"prompt": prompt})["prompt_id"])
    assert entry["status"]["status_str"] == "success"
