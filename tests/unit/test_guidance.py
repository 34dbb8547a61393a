import pytest
import torch
from basin_escape.samplers.guidance import (
    before_transition,
    conditional_only,
    norm,
    on_device,
    opposite_guidance,
    prediction_norms,
    pull,
    rms,
    scale_before_transition,
    zero_guidance,
)
from basin_escape.samplers.settings import BEFORE_TRANSITIONS, Settings
from hypothesis import given
from hypothesis import strategies as st


def predictions(shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return (torch.randn(shape, generator=generator) for _ in range(3))


def test_the_norms_of_an_eps_model_are_those_of_its_noise_predictions():
    x, eps_c, eps_u = predictions((3, 4, 8, 8))
    sigma = torch.tensor([14.6, 2.0, 0.03])
    cond, uncond = (x - sigma.view(-1, 1, 1, 1) * eps for eps in (eps_c, eps_u))
    expected = torch.stack([norm(eps_c - eps_u), norm(eps_c), norm(eps_u)])
    torch.testing.assert_close(
        torch.stack(prediction_norms(x, cond, uncond, cond - uncond, sigma)), expected, rtol=1e-3, atol=1e-4
    )


def test_the_norm_is_per_sample_over_every_other_dimension():
    values = torch.zeros(2, 3, 4, 5)
    values[0, 0, 0, 0], values[0, 2, 3, 4], values[1] = 3.0, 4.0, 1.0
    assert norm(values).tolist() == [5.0, torch.tensor(60.0).sqrt().item()]


def test_the_norm_of_a_half_precision_sample_does_not_overflow():
    # 65504 is the largest float16; the sum of squares is far above it.
    assert norm(torch.full((1, 4, 64, 64), 100.0, dtype=torch.float16)).tolist() == [12800.0]


def test_packed_audio_and_video_latents_are_flattened_alike():
    packed = torch.randn(2, 1, 60)
    for shape in ((2, 60), (2, 3, 20), (2, 3, 4, 5), (2, 3, 1, 4, 5)):
        torch.testing.assert_close(norm(packed.view(shape)), norm(packed))


def test_rms_does_not_depend_on_the_resolution():
    torch.testing.assert_close(rms(norm(torch.full((1, 4, 8, 8), 0.1)), 256), torch.tensor([0.1]))
    torch.testing.assert_close(rms(norm(torch.full((1, 4, 64, 64), 0.1)), 16384), torch.tensor([0.1]))


def test_the_pull_is_the_share_of_the_way_to_the_target():
    uncond, target, _ = predictions((4, 3, 5))
    aside = torch.zeros(4, 3, 5)
    aside[:, 0, 0], aside[:, 0, 1] = (target - uncond)[:, 0, 1], -(target - uncond)[:, 0, 0]  # at right angles to it
    share = torch.tensor([1.0, 0.25, 0.0, -0.5])
    cond = uncond + share.view(-1, 1, 1) * (target - uncond) + aside
    torch.testing.assert_close(pull(cond - uncond, uncond, target), share, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(pull(target - uncond, uncond, target), torch.ones(4))


def test_the_pull_of_half_precision_predictions_is_computed_in_float32():
    uncond, target = torch.zeros(1, 4, 64, 64).half(), torch.full((1, 4, 64, 64), 100.0).half()
    assert pull(target / 4 - uncond, uncond, target).tolist() == [0.25]


@given(st.integers(1, 4), st.floats(0.1, 30))
def test_the_pull_does_not_depend_on_the_scale_of_the_latents(batch, scale):
    cond, uncond, target = predictions((batch, 3, 5))
    scaled = pull(scale * (cond - uncond), scale * uncond, scale * target)
    torch.testing.assert_close(scaled, pull(cond - uncond, uncond, target), rtol=1e-4, atol=1e-5)


def test_zero_and_conditional_only_are_the_predictions_themselves():
    _, cond, uncond = predictions((2, 3, 5))
    assert zero_guidance(cond, uncond, 2.0) is uncond
    assert conditional_only(cond, uncond, 2.0) is cond


@given(st.floats(0, 30))
def test_every_choice_before_the_transition_is_cfg_at_its_scale(opposite_scale):
    _, cond, uncond = predictions((2, 3, 5))
    for name in BEFORE_TRANSITIONS[:3]:
        settings = Settings(before_transition=name, opposite_scale=opposite_scale)
        cfg = uncond + scale_before_transition(settings) * (cond - uncond)
        torch.testing.assert_close(before_transition(settings, cond, uncond), cfg, rtol=1e-4, atol=1e-5)


def test_opposite_guidance_is_equation_5():
    cond, uncond = torch.tensor([[3.0, 1.0]]), torch.tensor([[1.0, 2.0]])
    assert opposite_guidance(cond, uncond, 2.0).tolist() == [[-3.0, 4.0]]


class Recorded:
    """In a tensor's place: what it is asked for."""

    def to(self, *args, **kwargs):
        return args, kwargs


@pytest.mark.parametrize(("kind", "without_a_wait"), [("cuda", True), ("mps", False), ("xpu", False), ("cpu", False)])
def test_only_cuda_is_not_waited_for(kind, without_a_wait):
    """Apple's MPS hands over garbage, without a word, to those who do not wait."""
    device = torch.device(kind)
    assert on_device(Recorded(), device) == ((device,), {"non_blocking": without_a_wait})
