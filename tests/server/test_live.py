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
    assert all(data["node"] == guider for data in curve)
    return curve, saved.runs[-1]


def test_the_messages_make_up_the_saved_curve(server):
    curve, saved = messages_of(server, opposite_scale=1.75)
    assert len(curve) > 1 and [data["ended"] for data in curve] == [False] * (len(curve) - 1) + [True]
    norms, timesteps = [], []
    for data in curve:
        assert data["first"] == len(norms)
        norms += data["norms"]
        timesteps += data["timesteps"]
    expected = (saved.quantity("guidance_norm") / saved.elements**0.5).tolist()
    assert norms == [[float(f"{value:.4g}") for value in row] for row in expected]
    assert timesteps == [round(value, 1) for value in saved.quantity("timestep")[:, 0].tolist()]
    assert curve[-1]["transition_step"] == saved.transition_step.tolist()
    assert curve[-1]["gated"] == saved.gated.tolist() and curve[-1]["transition"] == "dynamic"


def test_a_skipped_pass_is_null(server):
    widgets = {"transition": "static", "before_transition": "zero guidance", "memorization_threshold": 0.0}
    curve, _ = messages_of(server, skip_unused_pass=True, **widgets)
    norms = [row for data in curve for row in data["norms"]]
    assert [row[0] is None for row in norms] == [True] * 25 + [False] * 25
    assert "NaN" not in json.dumps(curve)


def test_a_prompt_that_nobody_watches_runs_too(server):
    prompt = load("testbed_guider", server)
    prompt[node(prompt, "BasinEscapeGuider")]["inputs"].update(opposite_scale=1.5)
    entry = server.wait(server.post("/prompt", {"prompt": prompt})["prompt_id"])
    assert entry["status"]["status_str"] == "success"
