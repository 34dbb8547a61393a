"""Algorithm 1 and the other transitions, observation by observation."""

import math

import pytest
import torch
from basin_escape.samplers.settings import Settings
from basin_escape.samplers.transition import Transition
from basin_escape.tests.support.rule import algorithm_1
from hypothesis import given
from hypothesis import strategies as st


def percent_to_sigma(percent):
    return 10.0 * (1 - percent)


def transitions(sequences, quantity="d", **settings):
    """Per sample, the first observation in which CFG acts and why. sequences: [samples][observations]."""
    rule = Transition(Settings(**{"latest_percent": 1.0, **settings}), percent_to_sigma, len(sequences), elements=4)
    step = [-1] * len(sequences)
    for k, values in enumerate(torch.tensor(sequences).T):
        norms, pulls = (values, None) if quantity == "d" else (torch.ones_like(values), values)
        rule.observe(norms, 10.0 - k, pulls)
        for sample in rule.on.nonzero().flatten().tolist():
            step[sample] = k if step[sample] < 0 else step[sample]
    return step, rule.reasons


def first_minima(sequences):
    return transitions(sequences)[0]


@pytest.mark.parametrize(
    ("norms", "step"),
    [
        ([5.0, 4.0, 3.0, 2.0, 1.0], -1),  # falls throughout
        ([1.0, 2.0, 3.0, 4.0, 5.0], -1),  # rises throughout: the start is no minimum
        ([1.0, 3.0, 2.0, 1.0], -1),  # the last observation is no minimum
        ([3.0, 2.0, 3.0, 1.0, 4.0], 2),  # at the first possible place, and a later one
        ([1.0, 3.0, 2.0, 4.0], 3),
        ([3.0, 2.0, 2.0, 3.0], -1),  # a plateau is no strict minimum
        ([3.0, 2.0, 2.0, 1.0, 2.0], 4),  # but the fall may go on after it
        ([2.0, 2.0, 2.0], -1),
        ([3.0, math.nan, 2.0, 1.0, 2.0], 4),  # a gap neither is nor makes a minimum
    ],
)
def test_algorithm_1_on_written_out_sequences(norms, step):
    assert algorithm_1(norms) == step
    assert first_minima([norms]) == [step]


def test_samples_of_a_batch_switch_on_their_own():
    assert first_minima([[3.0, 2.0, 3.0, 4.0], [4.0, 3.0, 2.0, 3.0], [4.0, 3.0, 2.0, 1.0]]) == [2, 3, -1]


@given(st.lists(st.lists(st.floats(0, 10, width=32), min_size=6, max_size=6), min_size=1, max_size=5))
def test_algorithm_1_on_random_batches(sequences):
    assert first_minima(sequences) == [algorithm_1(norms) for norms in sequences]


def test_guidance_that_goes_less_than_all_the_way_escapes():
    pulls = [[7.5, 0.5], [1.0, 0.5], [0.99, 2.0], [-2.0, 2.0], [math.nan, 0.9]]
    steps, reasons = transitions(pulls, "pull", transition="escape")
    assert steps == [1, 1, 0, 0, 1] and reasons == ["escape"] * 5


def test_every_transition_tells_why():
    norms = [[3.0, 2.0, 3.0, 4.0], [0.1, 2.0, 3.0, 4.0], [4.0, 3.0, 2.0, 1.0]]
    steps, reasons = transitions(norms, latest_percent=0.3, memorization_threshold=0.5)
    assert steps == [2, 0, 3] and reasons == ["minimum", "gate", "deadline"]


def test_a_minimum_in_the_step_of_the_deadline_is_a_minimum():
    assert transitions([[3.0, 2.0, 3.0]], latest_percent=0.2) == ([2], ["minimum"])
    assert transitions([[3.0, 2.0, 2.0]], latest_percent=0.2) == ([2], ["deadline"])


def test_a_sample_that_is_not_seen_waits_for_its_next_observation():
    rule = Transition(Settings(latest_percent=1.0, memorization_threshold=0.5), percent_to_sigma, 2, elements=4)
    seen = [[True, True], [True, False], [True, True], [True, True]]
    for k, (norms, here) in enumerate(zip([[3.0, 3.0], [2.0, 9.0], [3.0, 2.0], [9.0, 3.0]], seen, strict=True)):
        rule.observe(torch.tensor(norms), 10.0 - k, seen=torch.tensor(here))
        assert rule.on.tolist() == [k >= 2, k >= 3]


def test_a_gate_judges_the_first_observation_that_a_sample_has():
    rule = Transition(Settings(memorization_threshold=0.5), percent_to_sigma, 2, elements=4)
    rule.observe(torch.tensor([3.0, 0.1]), 10.0, seen=torch.tensor([True, False]))
    assert rule.undecided and rule.gated.tolist() == [False, False]
    rule.observe(torch.tensor([0.1, 0.1]), 9.0)
    assert rule.gated.tolist() == [False, True] == rule.on.tolist()
