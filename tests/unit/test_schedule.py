import math

import pytest
from basin_escape.samplers.schedule import Observations, TimestepScale, ascending, reached
from hypothesis import given
from hypothesis import strategies as st

SCHEDULE = [14.615, 5.092, 2.28, 1.163, 0.571, 0.029, 0.0]


def observed(calls, sigmas):
    observes = Observations(sigmas)
    return [index for index, sigma in enumerate(calls) if observes(sigma)]


@pytest.mark.parametrize(
    ("sampler", "calls", "observations"),
    [
        ("euler", SCHEDULE[:-1], [0, 1, 2, 3, 4, 5]),
        ("heun", [14.615, 5.092, 5.092, 2.28, 2.28, 1.163, 1.163, 0.571, 0.571, 0.029, 0.029], [0, 1, 3, 5, 7, 9]),
        (
            "dpmpp_sde",
            [14.615, 8.627, 5.092, 3.407, 2.28, 1.628, 1.163, 0.815, 0.571, 0.129, 0.029],
            [0, 2, 4, 6, 8, 10],
        ),
        ("rounded", [sigma * 1.00005 for sigma in SCHEDULE[:-1]], [0, 1, 2, 3, 4, 5]),
        ("churned", [sigma * 1.1 for sigma in SCHEDULE[:-1]], [0, 1, 2, 3, 4, 5]),
        ("adaptive", [14.615, 9.0, 6.0, 14.615, 11.0, 8.0, 4.0, 3.0, 2.0, 0.1], [0, 6, 8, 9]),
        ("a finished picture shown first", [0.0, *SCHEDULE[:-1], 0.0], [1, 2, 3, 4, 5, 6]),
        ("restart", [14.615, 5.092, 2.28, 5.092, 2.28, 1.163, 0.571, 0.029], [0, 1, 2, 5, 6, 7]),
    ],
)
def test_one_observation_per_step_of_the_schedule(sampler, calls, observations):
    assert observed(calls, SCHEDULE) == observations


def test_without_a_schedule_every_new_lowest_noise_level_observes():
    assert observed([14.6, 5.0, 5.0, 2.3, 5.0, 2.0], None) == [0, 1, 3, 5]


@given(st.lists(st.floats(0.01, 100), min_size=1, max_size=30, unique=True), st.integers(1, 3))
def test_repeated_calls_never_count_twice(levels, repeats):
    # Levels closer than the tolerance are one level.
    schedule = sorted(levels, reverse=True)
    schedule = [a for a, b in zip(schedule, [*schedule[1:], 0.0], strict=True) if a > b * 1.001]
    calls = [sigma for sigma in schedule for _ in range(repeats)]
    assert observed(calls, schedule) == list(range(0, len(calls), repeats))
    assert observed(calls, None) == list(range(0, len(calls), repeats))


def test_a_noise_level_is_reached_within_the_rounding_of_samplers():
    assert reached(1.0, 1.0) and reached(1.00005, 1.0) and not reached(1.001, 1.0)
    assert not reached(0.001, 0.0)


def test_a_schedule_that_adds_noise_is_ascending():
    assert ascending([0.0, 0.5, 14.6]) and not ascending(SCHEDULE) and not ascending([5.0, 8.0, 0.0])


@pytest.mark.parametrize(
    "percent_to_sigma",
    [
        lambda percent: 1 - percent,  # rectified flow
        lambda percent: 3 * (1 - percent) / (1 + 2 * (1 - percent)),  # the same, shifted by 3
        lambda percent: math.exp(math.log(120.0) * (1 - percent) + math.log(0.002) * percent),  # EDM
    ],
)
def test_a_timestep_is_the_percent_that_is_left(percent_to_sigma):
    timestep = TimestepScale(percent_to_sigma)
    for percent in (0.0, 0.001, 0.02, 0.35, 0.5, 0.876, 0.99):
        assert timestep(percent_to_sigma(percent)) == pytest.approx(1000 * (1 - percent), abs=0.5)
    assert timestep(0.0) == timestep(1e-9) == 0.0 and timestep(1e9) == 1000.0


def test_a_noise_level_that_holds_for_some_percents_counts_from_when_it_is_reached():
    timestep = TimestepScale(lambda percent: max(0.25, 1 - percent))
    cell = 500 * math.pi / TimestepScale.CELLS  # between two levels that the host was asked for, half way
    for sigma, expected, tolerance in ((0.9, 900, 0.5), (0.5, 500, 0.5), (0.25, 250, cell)):
        assert timestep(sigma) == pytest.approx(expected, abs=tolerance)
    assert timestep(0.0) == 0.0


@pytest.mark.parametrize("sigma", [0.0, 5.0])
def test_a_schedule_of_one_noise_level_has_no_scale(sigma):
    assert TimestepScale(lambda percent: sigma)(5.0) == 0.0
