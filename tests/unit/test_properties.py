"""The rule on random schedules, samplers, norms and faults, against the same rule in plain Python."""

import json
import math
import tracemalloc

import pytest
import torch
from basin_escape.samplers.guidance import BEFORE_TRANSITION
from basin_escape.samplers.run import Run
from basin_escape.samplers.settings import TRANSITIONS, Settings
from basin_escape.samplers.trace import GuidanceTrace
from hypothesis import given
from hypothesis import strategies as st

CFG = 7.5


def percent_to_sigma(percent):
    return 10.0 * (1 - percent)


settings = st.builds(
    Settings,
    transition=st.sampled_from(TRANSITIONS),
    before_transition=st.sampled_from(list(BEFORE_TRANSITION)),
    opposite_scale=st.floats(0, 30),
    static_percent=st.floats(0, 1),
    latest_percent=st.floats(0.01, 1),
    memorization_threshold=st.one_of(st.just(0.0), st.floats(0, 1)),
)


@st.composite
def samplings(draw):
    """A schedule of levels apart from one another, and what a sampler asks for: a call at each, others in between."""
    tenths = draw(st.lists(st.integers(1, 100), min_size=2, max_size=10, unique=True))
    schedule = [tenth / 10 for tenth in sorted(tenths, reverse=True)]
    calls = []
    for level, following in zip(schedule, [*schedule[1:], 0.0], strict=True):
        calls.append(level)
        calls += [following + (level - following) * share for share in draw(st.lists(st.floats(0.1, 0.9), max_size=2))]
    return [*schedule, 0.0], calls


def decisions(chosen, schedule, calls, norms, guided_pulls, elements):
    """The rule for one sample, as design and paper tell it: for every call whether CFG acts, and the transition."""
    levels = [level for level in schedule if level > 0]
    observed, on, step, acts = [], not chosen.mitigates, -1, []
    gated = False
    for call, (sigma, d, guided_pull) in enumerate(zip(calls, norms, guided_pulls, strict=True)):
        passed = [sum(level * 1.0001 >= earlier for level in levels) for earlier in calls[: call + 1]]
        observes = call == 0 or passed[-1] > max(passed[:-1])
        if observes and chosen.mitigates:
            if not observed and chosen.memorization_threshold > 0:
                gated = on = d / elements**0.5 < chosen.memorization_threshold
            if chosen.transition == "dynamic":
                fell_and_rises = len(observed) > 1 and observed[-2] > observed[-1] < d
                on = on or fell_and_rises
            if chosen.transition == "escape":
                on = on or guided_pull < 1
            if chosen.transition in ("dynamic", "escape"):
                on = on or sigma <= percent_to_sigma(chosen.latest_percent) * 1.0001
        if chosen.transition == "static":
            on = gated or sigma <= percent_to_sigma(chosen.static_percent) * 1.0001
        if observes:
            observed.append(d)
            if on and step < 0 and chosen.mitigates:
                step = len(observed) - 1
        acts.append(on)
    return acts, step


def predictions(norms, sigma):
    """x, D_c, D_u [batch, 4] whose guidance has the given L2 norms, exactly representable."""
    uncond = torch.ones(len(norms), 4)
    return torch.zeros(len(norms), 4), uncond - torch.tensor(norms)[:, None] * sigma / 2, uncond


def observed(calls, rows):
    """The norms and the guided pulls as the rule sees them, in float32."""
    run = Run(Settings("escape"), percent_to_sigma, len(rows[0]), 4, None, CFG)
    norms_seen, guided_pulls = [], []
    for sigma, norms in zip(calls, rows, strict=True):
        run.observes.lowest = math.inf  # every call
        run.observe(*predictions(norms, sigma), torch.full((len(norms),), sigma), CFG)
        norms_seen.append(run.trace.observations[-1][2].tolist())
        guided_pulls.append((CFG * run.trace.observations[-1][6]).tolist())
    return norms_seen, guided_pulls


def norm_rows(calls, batch):
    norms = st.floats(0.0625, 8, width=16)
    return st.lists(st.lists(norms, min_size=batch, max_size=batch), min_size=len(calls), max_size=len(calls))


@given(st.data(), settings, samplings(), st.integers(1, 3))
def test_the_rule_is_the_rule_in_plain_python(data, chosen, sampling, batch):
    schedule, calls = sampling
    rows = data.draw(norm_rows(calls, batch))
    run = Run(chosen, percent_to_sigma, batch, 4, schedule, CFG)
    acts = []
    for sigma, norms in zip(calls, rows, strict=True):
        level = torch.full((batch,), sigma)
        run.place(level)
        run.observe(*predictions(norms, sigma), level, CFG)
        acts.append(run.on.tolist())
    seen = observed(calls, rows)
    for sample in range(batch):
        norms_seen, guided_pulls = ([row[sample] for row in quantity] for quantity in seen)
        expected, step = decisions(chosen, schedule, calls, norms_seen, guided_pulls, 4)
        assert [row[sample] for row in acts] == expected
        assert run.trace.transition_step[sample] == step
    assert len(run.trace.observations) == len(schedule) - 1


FAULTS = st.sampled_from([math.nan, math.inf, -math.inf, 0.0, 3e38, -3e38, 1e-45])


@given(st.data(), settings, samplings())
def test_a_sample_that_breaks_changes_no_other(data, chosen, sampling):
    """Two samples beside one whose predictions are anything at all: the two come out as they do alone."""
    schedule, calls = sampling
    rows = data.draw(norm_rows(calls, 2))
    broken_from = data.draw(st.integers(0, len(calls) - 1))
    fault = data.draw(st.lists(FAULTS, min_size=4, max_size=4))
    whole, alone = (Run(chosen, percent_to_sigma, batch, 4, schedule, CFG) for batch in (3, 2))
    for call, (sigma, norms) in enumerate(zip(calls, rows, strict=True)):
        x, cond, uncond = predictions([norms[0], 1.0, norms[1]], sigma)
        if call >= broken_from:
            cond[1] = torch.tensor(fault)
        host = uncond + CFG * (cond - uncond)
        whole.place(torch.full((3,), sigma))
        whole.observe(x, cond, uncond, torch.full((3,), sigma), CFG)
        samples = whole.apply(host, cond, uncond)
        two = [0, 2]
        alone.place(torch.full((2,), sigma))
        alone.observe(x[two], cond[two], uncond[two], torch.full((2,), sigma), CFG)
        assert torch.equal(samples[two], alone.apply(host[two], cond[two], uncond[two]))
    assert torch.equal(whole.trace.transition_step[[0, 2]], alone.trace.transition_step)
    restored = GuidanceTrace.from_json(GuidanceTrace([whole.trace]).to_json())
    assert torch.equal(restored.runs[0].transition_step, whole.trace.transition_step)


def valid_trace():
    run = Run(Settings(), percent_to_sigma, 2, 4, [10.0, 5.0, 0.0], CFG)
    for sigma in (10.0, 5.0):
        run.observe(*predictions([1.0, 2.0], sigma), torch.full((2,), sigma), CFG)
    return json.loads(GuidanceTrace([run.trace]).to_json())


def paths(value, path=()):
    """Every place in a JSON document."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from paths(inner, (*path, key))


def replaced(document, path, value):
    if not path:
        return value
    changed = document.copy()
    changed[path[0]] = replaced(document[path[0]], path[1:], value)
    return changed


ANYTHING = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), st.just(10**400)),
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=5), inner, max_size=4)),
    max_leaves=8,
)


@given(st.sampled_from(list(paths(valid_trace()))), ANYTHING)
def test_a_trace_changed_anywhere_is_read_or_refused_clearly(path, value):
    """What is read can be used: saved again, and its norms converted to RMS."""
    try:
        trace = GuidanceTrace.from_json(json.dumps(replaced(valid_trace(), path, value)))
    except ValueError as error:
        assert str(error).startswith("This is not a guidance trace of schema") and len(str(error)) < 500
        return
    assert GuidanceTrace.from_json(trace.to_json()).to_json() == trace.to_json()
    assert all(run.elements**0.5 > 0 and run.quantity("guidance_norm").shape[1] > 0 for run in trace.runs)


@given(st.text())
def test_any_text_is_refused_clearly(text):
    with pytest.raises(ValueError, match=r"^This is not a guidance trace of schema"):
        GuidanceTrace.from_json(text)


LONG = 300_000


@pytest.mark.parametrize(
    "hostile",
    [
        "[" * LONG,
        '{"runs":' * LONG,
        "[" + "[]," * LONG + "[]]",
        json.dumps(replaced(valid_trace(), ("runs",), [{}] * LONG)),
        json.dumps(replaced(valid_trace(), ("runs", 0, "sigma"), [[]] * LONG)),
        json.dumps(replaced(valid_trace(), ("runs", 0, "sigma"), [[1.0] * LONG])),
        json.dumps(replaced(valid_trace(), ("runs", 0, "gated"), [True] * LONG)),
        json.dumps(replaced(valid_trace(), ("runs", 0, "settings", "transition"), "x" * LONG)),
        json.dumps(replaced(valid_trace(), ("runs", 0, "settings"), {"x" * LONG: 1})),
        '{"schema": ' + "9" * LONG + "}",
    ],
    ids=["deep", "deep dictionaries", "wide", "runs", "steps", "samples", "gated", "long word", "long key", "digits"],
)
def test_a_hostile_file_costs_no_more_than_a_multiple_of_its_length(hostile):
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=r"^This is not a guidance trace of schema") as caught:
            GuidanceTrace.from_json(hostile)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(str(caught.value)) < 500
    assert peak < 60 * len(hostile) + 1_000_000
