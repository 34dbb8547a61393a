import torch
from basin_escape.samplers.guidance import (
    BEFORE_TRANSITION,
    conditional_only,
    guidance,
    norm,
    opposite_guidance,
    prediction_norms,
    rms,
    scale_before_transition,
    zero_guidance,
)
from hypothesis import given
from hypothesis import strategies as st


def predictions(shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return (torch.randn(shape, generator=generator) for _ in range(3))


def test_the_guidance_of_an_eps_model_is_the_difference_of_its_noise_predictions():
    x, eps_c, eps_u = predictions((3, 4, 8, 8))
    sigma = torch.tensor([14.6, 2.0, 0.03])
    cond, uncond = (x - sigma.view(-1, 1, 1, 1) * eps for eps in (eps_c, eps_u))
    torch.testing.assert_close(guidance(cond, uncond, sigma), eps_c - eps_u, rtol=1e-3, atol=1e-4)


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


def test_prediction_norms_are_those_of_guidance_and_implied_noise():
    x, cond, uncond = predictions((2, 3, 5))
    sigma = torch.tensor([2.0, 0.5])
    difference, conditional, unconditional = prediction_norms(x, cond, uncond, sigma)
    torch.testing.assert_close(difference, norm(guidance(cond, uncond, sigma)))
    torch.testing.assert_close(conditional, norm((x - cond) / sigma.view(-1, 1, 1)))
    torch.testing.assert_close(unconditional, norm((x - uncond) / sigma.view(-1, 1, 1)))


def test_zero_and_conditional_only_are_the_predictions_themselves():
    _, cond, uncond = predictions((2, 3, 5))
    assert zero_guidance(cond, uncond, 2.0) is uncond
    assert conditional_only(cond, uncond, 2.0) is cond


@given(st.floats(0, 30))
def test_every_choice_before_the_transition_is_cfg_at_its_scale(opposite_scale):
    _, cond, uncond = predictions((2, 3, 5))
    for name, rule in BEFORE_TRANSITION.items():
        scale = scale_before_transition(name, opposite_scale)
        cfg = uncond + scale * (cond - uncond)
        torch.testing.assert_close(rule(cond, uncond, opposite_scale), cfg, rtol=1e-4, atol=1e-5)


def test_opposite_guidance_is_equation_5():
    cond, uncond = torch.tensor([[3.0, 1.0]]), torch.tensor([[1.0, 2.0]])
    assert opposite_guidance(cond, uncond, 2.0).tolist() == [[-3.0, 4.0]]
