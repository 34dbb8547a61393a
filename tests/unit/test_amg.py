"""AMG's scales and its step, against the paper's equations in the noise prediction."""

import math

import pytest
import torch
from basin_escape.samplers.amg import away, begins, nearest, repulsion, scales


def test_the_scales_are_those_of_the_code():
    similarity = torch.tensor([-0.2, 0.1, 0.31, 0.5, 0.9])
    s1, s2 = scales(similarity, 7.5, 13.0)
    torch.testing.assert_close(s1, torch.tensor([0.0, 1.3, 4.03, 6.5, 6.5]))
    torch.testing.assert_close(s2, torch.tensor([0.0, 5.2 / 3, 2.47, 0.0, 0.0]))
    assert torch.equal(sum(scales(similarity, 0.5, 13.0)), torch.zeros(5)), "no scale, nothing to take away"


def test_no_scale_ever_falls_below_one():
    similarity = torch.linspace(-1, 1, 41)
    for cfg in (1.0, 3.0, 7.5):
        for despecify in (0.0, 5.0, 100.0):
            s1, s2 = scales(similarity, cfg, despecify)
            assert (cfg - s1 - s2 >= 1 - 1e-5).all() and (s1 >= 0).all() and (s2 >= 0).all()


def test_the_threshold_rises_as_the_picture_forms():
    assert begins(1000) == pytest.approx(0.3 + 0.1 * math.exp(-5)) and begins(0) == pytest.approx(0.4)
    assert begins(0, 0.8) == pytest.approx(0.9)


def test_a_step_is_the_papers_in_the_noise_prediction():
    """x_t = sqrt(abar) x0 + sqrt(1 - abar) eps of the paper is sqrt(abar) times the host's x."""
    generator = torch.Generator().manual_seed(0)
    x_t, e_c, e_u, e_y = torch.randn(4, 2, 3, 4, 4, generator=generator, dtype=torch.float64)
    abar, t, s = 0.4, 500.0, 7.5
    sigma, root = math.sqrt((1 - abar) / abar), math.sqrt(1 - abar)
    target = torch.randn(2, 3, 4, 4, generator=generator, dtype=torch.float64)

    def similarity(x0):
        return torch.cosine_similarity(x0.flatten(1), target.flatten(1)).mul(0.2).add(0.5)

    eps = e_u + s * (e_c - e_u)
    point = x_t.clone().requires_grad_()
    sim = similarity((point - root * eps) / math.sqrt(abar))
    (g,) = torch.autograd.grad(sim.sum(), point)
    sim = sim.detach()
    s1 = (13 * sim).clamp(0, s - 1)
    s2 = ((s - 1 - s1) / 0.3 * sim).clamp_min(0).minimum(s - 1 - s1)
    weight = 100 * (sim - 0.3) * math.exp((1000 - t) / 170) * root
    paper = e_u + (s - s1)[:, None, None, None] * (e_c - e_u) - s2[:, None, None, None] * (e_y - e_u)
    paper = (x_t - root * (paper + weight[:, None, None, None] * g)) / math.sqrt(abar)

    x = x_t / math.sqrt(abar)
    cond, uncond, caption = (x - sigma * e for e in (e_c, e_u, e_y))
    denoised = uncond + s * (cond - uncond)
    at = denoised.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(similarity(at).sum(), at)
    ours_s1, ours_s2 = scales(sim, s, 13.0)
    led = away(denoised, cond, uncond, ours_s1) - ours_s2[:, None, None, None] * (caption - uncond)
    led = led - repulsion(sim, t, sigma, 100.0)[:, None, None, None] * gradient
    torch.testing.assert_close(led, paper)


def test_the_nearest_reference_is_the_one_of_the_highest_dot_product():
    references = torch.eye(3)
    values, places = nearest(torch.tensor([[0.1, 0.9, 0.2], [-1.0, -0.5, -0.7]]), references)
    assert places.tolist() == [1, 1] and values.tolist() == pytest.approx([0.9, -0.5])
