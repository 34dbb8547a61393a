"""The rule on random schedules, samplers, norms and faults, against the same rule in plain Python."""

import json
import math

import torch
from basin_escape.samplers.guidance import before_transition, select
from basin_escape.samplers.run import Run
from basin_escape.samplers.settings import BEFORE_TRANSITIONS, TRANSITIONS, Settings
from basin_escape.samplers.trace import GuidanceTrace
from basin_escape.tests.support import rule
from hypothesis import given
from hypothesis import strategies as st

CFG = 7.5
NORMS = st.floats(0.0625, 8, width=16)


def percent_to_sigma(percent):
    return 10.0 * (1 - percent)


settings = st.builds(
    Settings,
    transition=st.sampled_from(TRANSITIONS),
    before_transition=st.sampled_from(BEFORE_TRANSITIONS),
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


def expected_mask(chosen, calls, observed, step, why):
    """Whether CFG acts on a sample in every call, when it begins in its observation `step`."""
    if not chosen.mitigates:
        return [True] * len(calls)
    acts = [step >= 0 and call >= observed[step] for call in range(len(calls))]
    if chosen.transition == "static":  # which looks at the noise level in every call
        gated = acts if why == "gate" else [False] * len(calls)
        reached = [sigma <= percent_to_sigma(chosen.static_percent) * 1.0001 for sigma in calls]
        acts = [one or other for one, other in zip(gated, reached, strict=True)]
    return acts


def predictions(norms, sigma):
    """x, D_c, D_u [batch, 4] whose guidance has the given L2 norms; D_c is left out where that is None."""
    uncond = torch.full((len(norms), 4), 64.0)
    cond = uncond - torch.tensor([norm or 0.0 for norm in norms])[:, None] * sigma / 2
    there = torch.tensor([norm is not None for norm in norms])
    return torch.zeros(len(norms), 4), cond * there[:, None], uncond


def as_the_rule_sees_them(calls, rows):
    """The norms and the guided pulls in float32, [calls][batch] each."""
    run = Run(Settings("escape"), percent_to_sigma, len(rows[0]), 4, None, CFG)
    for sigma, norms in zip(calls, rows, strict=True):
        run.observes.lowest = math.inf  # every call
        run(*predictions(norms, sigma), torch.full((len(norms),), sigma), CFG)
        run.record()
    return run.trace.quantity("guidance_norm").tolist(), (CFG * run.trace.quantity("pull")).tolist()


def as_float32(values):
    return torch.tensor(values).tolist()


def norm_rows(calls, batch, norms=NORMS):
    return st.lists(st.lists(norms, min_size=batch, max_size=batch), min_size=len(calls), max_size=len(calls))


@given(st.data(), settings, samplings(), st.integers(1, 3))
def test_the_rule_is_the_rule_in_plain_python(data, chosen, sampling, batch):
    schedule, calls = sampling
    rows = data.draw(norm_rows(calls, batch, st.none() | NORMS))
    run = Run(chosen, percent_to_sigma, batch, 4, schedule, CFG)
    acts = [
        run(*predictions(norms, sigma), torch.full((batch,), sigma), CFG).tolist()
        for sigma, norms in zip(calls, rows, strict=True)
    ]
    observed = rule.observations(calls, schedule)
    sigmas = [calls[k] for k in observed]
    seen = as_the_rule_sees_them(calls, rows)
    for sample in range(batch):
        norms, guided_pulls = ([quantity[k][sample] for k in observed] for quantity in seen)
        computed = rule.computed([row[sample] for row in seen[0]], as_float32(calls))
        own = [computed[k] for k in observed]
        step = rule.transition(chosen, norms, guided_pulls, sigmas, percent_to_sigma, 4, own)
        acted = expected_mask(chosen, calls, observed, step, run.trace.reasons[sample])
        judged = next((call for call, seen_here in zip(observed, own, strict=True) if seen_here), len(calls))
        gate = chosen.mitigates and chosen.memorization_threshold > 0
        unjudged = [gate and call < judged and rows[call][sample] is None for call in range(len(calls))]
        assert [row[sample] for row in acts] == [on or not_yet for on, not_yet in zip(acted, unjudged, strict=True)]
        assert run.trace.transition_step[sample] == step
    assert run.trace.steps == len(schedule) - 1


def followed(run, x, cond, uncond, sigma):
    """What a model call comes to, with the host's plain CFG."""
    on = run(x, cond, uncond, torch.full((len(x),), sigma), CFG)
    held = run.mitigated(cond, uncond, on)
    if run.settings.before_transition == "orthogonal guidance":
        return uncond + CFG * (held - uncond)
    return select(on, uncond + CFG * (cond - uncond), before_transition(run.settings, held, uncond))


FAULTS = st.sampled_from([math.nan, math.inf, -math.inf, 0.0, 3e38, -3e38, 1e-45])


@given(st.data(), settings, samplings())
def test_a_sample_that_breaks_changes_no_other(data, chosen, sampling):
    """Two samples beside one whose predictions are anything at all: the two come out as they do alone."""
    schedule, calls = sampling
    rows = data.draw(norm_rows(calls, 2))
    broken_from = data.draw(st.integers(0, len(calls) - 1))
    fault = data.draw(st.lists(FAULTS, min_size=4, max_size=4))
    whole, alone = (Run(chosen, percent_to_sigma, batch, 4, schedule, CFG) for batch in (3, 2))
    two = [0, 2]
    for call, (sigma, norms) in enumerate(zip(calls, rows, strict=True)):
        x, cond, uncond = predictions([norms[0], 1.0, norms[1]], sigma)
        if call >= broken_from:
            cond[1] = torch.tensor(fault)
        samples = followed(whole, x, cond, uncond, sigma)
        assert torch.equal(samples[two], followed(alone, x[two], cond[two], uncond[two], sigma))
    assert torch.equal(whole.trace.transition_step[two], alone.trace.transition_step)
    saved = json.loads(GuidanceTrace([whole.trace]).to_json())["runs"][0]
    assert saved["transition_step"] == whole.trace.transition_step.tolist()
