import math

import pytest
import torch
from basin_escape.samplers.settings import Settings
from basin_escape.samplers.static_point import Norms, mean_curve, static_transition, zero_guidance_norms
from basin_escape.samplers.trace import RunTrace

TIMESTEPS = [1000.0, 800.0, 600.0, 400.0, 200.0]
ZERO_GUIDANCE = Settings("static", static_percent=1.0)


def norms(gap, guidance, spread=0.0):
    """Two samples whose norms differ by `spread` about written-out means; the unconditional norm is 10."""
    sides = torch.tensor([-spread, spread])
    conditional = 10 + torch.tensor(gap)[:, None] + sides
    unconditional = torch.full_like(conditional, 10.0)
    return Norms(torch.tensor(TIMESTEPS), conditional, unconditional, torch.tensor(guidance)[:, None] + 0 * sides)


def test_a_mean_and_its_band():
    curve = mean_curve(torch.tensor([[1.0, 2.0, 3.0, 6.0]]))
    assert curve.mean.tolist() == [3.0]
    assert curve.band.item() == pytest.approx(1.96 * math.sqrt(14 / 3) / 2)  # variance (4 + 1 + 0 + 9) / 3


def test_the_band_holds_the_true_mean_in_95_of_100():
    values = torch.randn(4000, 64, generator=torch.Generator().manual_seed(0)) * 3 + 5
    curve = mean_curve(values)
    assert ((curve.mean - 5).abs() < curve.band).float().mean() == pytest.approx(0.95, abs=0.015)


DROP = [4.0, 4.0, 4.0, 0.4, 0.1]


@pytest.mark.parametrize(
    ("gap", "tolerance", "percent"),
    [
        ([2.0, 2.0, 1.0, 0.1, 0.0], 0.2, 0.5),  # apart until 600: halfway to 400
        ([2.0, 2.0, 0.3, 0.1, 0.0], 0.2, 0.3),
        ([2.0, 2.0, 0.3, 0.1, 0.0], 0.1, 0.5),
        ([0.3, 1.0, 2.0, 0.1, 0.0], 0.2, 0.5),  # it may rise first
        ([2.0, 0.1, 2.0, 0.1, 0.0], 0.2, 0.5),  # meeting on the way does not count: "until the end"
    ],
)
def test_the_static_point_is_where_the_norms_meet_for_good(gap, tolerance, percent):
    assert static_transition(norms(gap, DROP), tolerance) == pytest.approx(percent)


@pytest.mark.parametrize(
    "case",
    [
        norms([0.0, 0.0, 0.0, 0.0, 0.0], DROP),  # one from the start
        norms([-1.0, -1.0, -1.0, 0.0, 0.0], DROP),  # the conditional norm is the smaller one
        norms([2.0, 2.0, 2.0, 2.0, 2.0], DROP),  # apart until the end
        norms([0.0, 1.0, 2.0, 1.0, 0.0], DROP),  # part only later
        norms([2.0, 2.0, 1.0, 0.1, 0.0], [0.1, 1.0, 4.0, 1.0, 0.0]),  # hardly a pull at the start
        norms([2.0, 2.0, 1.0, 0.1, 0.0], DROP, spread=5.0),  # lost in the spread of the samples
    ],
)
def test_without_a_common_meeting_point_there_is_none(case):
    assert static_transition(case, 0.2) is None


def test_a_difference_counts_beyond_its_band():
    # Two samples at gap +- 0.4: a standard error of 0.4, and a band of 0.784.
    apart = norms([2.0, 2.0, 0.8, 0.0, 0.0], DROP, spread=0.4)
    together = norms([2.0, 2.0, 0.7, 0.0, 0.0], DROP, spread=0.4)
    assert static_transition(apart, 0.2) == pytest.approx(0.5)
    assert static_transition(together, 0.2) == pytest.approx(0.3)


def run(settings=ZERO_GUIDANCE, batch=2, norm=2.0, timesteps=TIMESTEPS, elements=4, transition=-1):
    names = ("sigma", "timestep", "guidance_norm", "conditional_norm", "unconditional_norm", "scale")
    rows = torch.tensor([[t / 100, t, norm, norm + 2, norm + 4, 0.0] for t in timesteps])
    series = {name: rows[:, k, None].expand(-1, batch) for k, name in enumerate(names)}
    gated = torch.zeros(batch, dtype=torch.bool)
    return RunTrace(settings, 7.5, elements, torch.full((batch,), transition), gated, series)


def test_the_samples_of_all_runs_are_one_sample_in_rms():
    together = zero_guidance_norms([run(batch=1), run(batch=2, norm=6.0, elements=9)])
    assert together.timestep.tolist() == TIMESTEPS
    assert together.guidance.tolist() == [[1.0, 2.0, 2.0]] * 5
    assert together.conditional[0].tolist() == pytest.approx([2.0, 8 / 3, 8 / 3])
    assert together.unconditional[0].tolist() == pytest.approx([3.0, 10 / 3, 10 / 3])


@pytest.mark.parametrize(
    ("runs", "message"),
    [
        ([run(Settings("off"))], "runs that were guided.*transition to never"),
        ([run(), run(transition=3)], "runs that were guided"),
        ([run(Settings("static", "opposite guidance"))], "runs that were guided.*zero guidance"),
        ([run(), run(timesteps=TIMESTEPS[:4])], "different timesteps.*Use the same sampler"),
        ([run(), run(timesteps=[990.0, *TIMESTEPS[1:]])], "different timesteps"),
        ([run(norm=math.nan)], "a pass left out: set skip_unused_pass to off"),
        ([run(batch=1)], "one image.*Raise the batch size"),
    ],
)
def test_runs_that_make_no_mean_are_refused(runs, message):
    with pytest.raises(ValueError, match=f"^trace has .*{message}"):
        zero_guidance_norms(runs)
