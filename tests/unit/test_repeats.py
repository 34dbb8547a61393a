"""Predictions that were not made, and those that were made for another call."""

import math

import pytest
import torch
from basin_escape.samplers.repeats import Repeats, left_out
from basin_escape.samplers.run import Run
from basin_escape.samplers.settings import Settings

X = torch.tensor([[3.0, 4.0]])


def noise_norms(*predictions):
    return [torch.linalg.vector_norm(X - one, dim=1) for one in predictions]


@pytest.mark.parametrize(
    ("cond", "uncond", "expected"),
    [
        ([1.0, 2.0], [2.0, 1.0], False),
        ([0.0, 0.0], [2.0, 1.0], True),
        ([1.0, 2.0], [0.0, 0.0], True),
        ([0.0, 0.0], [0.0, 0.0], True),
        ([0.0, 1e-30], [2.0, 1.0], False),  # zero in places only, as outside of an area
        ([3.0, 4.0], [2.0, 1.0], True),  # x itself: a network's output of zeros
        ([1.0, 2.0], [3.0, 4.0], True),
        ([math.nan, 2.0], [2.0, 1.0], False),  # broken, but made
    ],
)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_zeros_are_no_prediction(cond, uncond, expected, dtype):
    pair = [torch.tensor([one], dtype=dtype) for one in (cond, uncond)]
    assert left_out(*pair, noise_norms(*pair)).tolist() == [expected]


def test_every_sample_is_looked_at_alone():
    cond, uncond = torch.tensor([[1.0, 2.0], [0.0, 0.0], [1.0, 1.0]]), torch.tensor([[2.0, 1.0]] * 2 + [[0.0, 0.0]])
    assert left_out(cond, uncond, noise_norms(cond, uncond)).tolist() == [False, True, True]


def own(norms, sigmas):
    """Of one sample's calls, those that are no repetition."""
    repeats = Repeats()
    pairs = zip(norms, sigmas, strict=True)
    return [not repeats(torch.tensor([norm]), sigma).item() for norm, sigma in pairs]


def test_an_output_is_known_again_in_whatever_unit_it_is_remembered():
    sigmas = [8.0, 6.0, 4.0]
    for unit in (lambda sigma: 1.0, lambda sigma: (1 + sigma**2) ** 0.5, lambda sigma: sigma):
        remembered = [3.0 * unit(8.0) / unit(sigma) for sigma in (8.0, 6.0)]
        assert own([*remembered, 2.0], sigmas) == [True, False, True]


def test_what_is_remembered_lasts_over_a_call_without_guidance_and_over_a_finished_picture():
    assert own([3.0, math.nan, 3.0, 2.0], [8.0, 6.0, 4.0, 2.0]) == [True, False, False, True]
    assert own([math.inf, 3.0, 3.0], [0.0, 8.0, 6.0]) == [True, True, False]


def run_with_a_gap(settings):
    """Two samples, of which the second has no D_u in the first two of its calls, under norms 5/8, 4/8 and so on."""
    run = Run(settings, lambda percent: 10.0 * (1 - percent), 2, 2, [10.0, 8.0, 6.0, 4.0, 2.0, 0.0], 7.5)
    followed = []
    for call, sigma in enumerate((10.0, 8.0, 6.0, 4.0, 2.0)):
        cond, uncond = torch.tensor([[64.0 + sigma * (5 - call) / 8, 64.0]] * 2), torch.full((2, 2), 64.0)
        uncond[1] *= call >= 2
        on = run(torch.zeros(2, 2), cond, uncond, torch.full((2,), sigma), 7.5)
        followed.append((run.mitigated(cond, uncond, on)[1], cond[1], uncond[1]))
    return run, followed


def test_a_gate_judges_the_first_call_that_has_guidance():
    run, followed = run_with_a_gap(Settings("dynamic", "opposite guidance", memorization_threshold=0.5 / 2**0.5))
    assert run.trace.gated.tolist() == [False, True] and run.trace.quantity("guidance_norm")[:2, 1].isnan().all()
    assert run.trace.facts.without_guidance == 0  # one of the two samples has it
    assert all(torch.equal(held, cond) for held, cond, _ in followed)  # plain CFG before it is judged, too


def test_an_escape_aims_at_the_first_prediction_that_has_guidance():
    run, _ = run_with_a_gap(Settings("escape", latest_percent=1.0))
    assert run.trace.quantity("pull")[[0, 2], [0, 1]].tolist() == [1.0, 1.0]


def test_the_first_pull_is_that_of_the_first_call_that_has_guidance():
    run, followed = run_with_a_gap(Settings("never", "orthogonal guidance", repulsion=0.0))
    assert run.trace.quantity("first_pull")[[0, 2], [0, 1]].tolist() == [1.0, 1.0]
    for call, (held, cond, uncond) in enumerate(followed):
        assert torch.equal(held, uncond), (call, cond)  # on the way of the first pull alone: all of it is taken out


@pytest.mark.parametrize("before", ["opposite guidance", "conditional only", "orthogonal guidance"])
def test_without_one_of_the_two_predictions_the_other_prompt_is_followed(before):
    _, followed = run_with_a_gap(Settings("never", before))
    for held, cond, uncond in followed[:2]:
        assert torch.equal(held, uncond) and not torch.equal(held, cond)
