"""Guidance schedules as formulas."""

import math

import pytest
import torch
from basin_escape.samplers.guidance_schedule import SHAPES, GuidanceSchedule
from hypothesis import given
from hypothesis import strategies as st

# At tau = 1 (noise), 1/2 and 0 (image), in multiples of cfg.
ENDS = {
    "constant": (1, 1, 1),
    "increasing": (0, 1, 2),
    "decreasing": (2, 1, 0),
    "rising cosine": (0, 1, 2),
    "falling cosine": (2, 1, 0),
    "peak mid": (0, 2, 0),
    "dip mid": (2, 0, 2),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_shape_is_what_its_name_says_and_its_mean_is_the_cfg(shape):
    schedule = GuidanceSchedule(shape)
    assert [schedule.scale(5.0, tau, True) for tau in (1, 0.5, 0)] == pytest.approx([5 * end for end in ENDS[shape]])
    timesteps, scales = schedule.curve(5.0)
    assert timesteps[0] == 1000 and timesteps[-1] == 0
    assert scales.mean().item() == pytest.approx(5.0, abs=0.01)
    steps = scales.diff()
    if shape in ("increasing", "rising cosine"):
        assert (steps >= 0).all()
    if shape in ("decreasing", "falling cosine"):
        assert (steps <= 0).all()


@given(st.floats(0, 1))
def test_the_cosines_are_those_of_the_paper(tau):
    assert SHAPES["rising cosine"](tau) == pytest.approx(1 + math.cos(math.pi * tau))
    assert SHAPES["falling cosine"](tau) == pytest.approx(1 + math.sin(math.pi * tau - math.pi / 2), abs=1e-9)


@given(st.sampled_from(sorted(SHAPES)), st.floats(0, 1), st.floats(0, 30), st.floats(0, 10))
def test_never_below_the_least_and_the_same_for_a_scale_per_sample(shape, tau, cfg, least):
    schedule = GuidanceSchedule(shape, at_least=least)
    scale = schedule.scale(cfg, tau, True)
    assert scale == max(cfg * SHAPES[shape](tau), least)
    each = schedule.scale(torch.tensor([cfg, 2 * cfg], dtype=torch.float64), tau, True)
    assert each.tolist() == [scale, schedule.scale(2 * cfg, tau, True)]


def test_outside_the_interval_another_scale_is_in_force():
    schedule = GuidanceSchedule("constant", start_percent=0.2, end_percent=0.8, outside=0.5)
    assert schedule.scale(7.5, 0.1, False) == 0.5
    timesteps, scales = schedule.curve(7.5)
    guided = timesteps[scales == 7.5]
    assert guided.max() == 800 and guided.min() > 200 and set(scales.tolist()) == {0.5, 7.5}


def test_constant_is_the_very_number():
    assert GuidanceSchedule("constant").scale(7.3, 0.123, True) == 7.3


@pytest.mark.parametrize(
    "widgets, message",
    [
        ({"shape": "linear"}, "schedule is 'linear'"),
        ({"at_least": math.nan}, "at_least"),
        ({"outside": -1.0}, "outside"),
        ({"start_percent": 0.8, "end_percent": 0.2}, "the interval is empty"),
        ({"start_percent": 0.5, "end_percent": 0.5}, "the interval is empty"),
    ],
)
def test_what_is_wrong_is_said(widgets, message):
    with pytest.raises(ValueError, match=message):
        GuidanceSchedule(**widgets)
