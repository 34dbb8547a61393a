"""The probe's optimisation and its loss, written out."""

import pytest
import torch
from basin_escape.samplers.adversarial_embedding import adversarial_embedding, noise_error

EMBEDDING = torch.randn(1, 3, 4, generator=torch.Generator().manual_seed(0))
RATE, BETAS, EPSILON = 0.1, (0.9, 0.999), 1e-8


def drawing():
    """A loss that draws anew each time."""
    generator = torch.Generator().manual_seed(1)
    return lambda e: (e * torch.rand(3, 4, generator=generator).to(e) + 0.5).square().mean()


def ask_by(loss):
    def ask(e, enough):
        point = e.clone().requires_grad_()
        value = loss(point)
        return value.detach(), None if value <= enough else torch.autograd.grad(value, point)[0]

    return ask


def written_out(e, loss, steps):
    """Adam by hand, in float64."""
    e, m, v, losses = e.double(), 0.0, 0.0, []
    for step in range(1, steps + 1):
        e = e.detach().requires_grad_()
        value = loss(e)
        (g,) = torch.autograd.grad(value, e)
        m, v = BETAS[0] * m + (1 - BETAS[0]) * g, BETAS[1] * v + (1 - BETAS[1]) * g.square()
        e = e.detach() - RATE * (m / (1 - BETAS[0] ** step)) / ((v / (1 - BETAS[1] ** step)).sqrt() + EPSILON)
        losses.append(value.item())
    return e, losses


@pytest.mark.parametrize("steps", [1, 12])
def test_it_is_the_written_out_loop_step_by_step(steps):
    given_in = EMBEDDING.clone()
    found = adversarial_embedding(given_in, ask_by(drawing()), RATE, steps)
    expected, losses = written_out(EMBEDDING, drawing(), steps)
    torch.testing.assert_close(found.x, expected.float(), rtol=1e-4, atol=1e-5)
    assert found.values[:-1] == pytest.approx(losses, rel=1e-4)
    assert torch.equal(given_in, EMBEDDING) and not found.x.requires_grad


def test_the_error_is_that_of_the_noise_in_an_eps_model():
    """eps_theta = (x - D) / sigma and eps = (x - x0) / sigma."""
    picture, noise, said = torch.randn(3, 5, 2, 4, 4).unbind(0)
    sigma = torch.tensor([0.1, 0.5, 1.0, 3.0, 14.6])
    level = sigma[:, None, None, None]
    x = picture[:1] + level * noise
    expected = sum((n - s).square().sum() for n, s in zip(noise, said, strict=True)) / noise.numel()
    torch.testing.assert_close(noise_error(x - level * said, picture[:1], sigma), expected, rtol=1e-4, atol=1e-4)


def test_the_error_is_that_of_the_velocity_in_a_flow_model():
    """x = (1 - sigma) x0 + sigma noise, v = noise - x0, D = x - sigma v_theta."""
    picture, noise, said = torch.randn(3, 4, 2, 4, 4).unbind(0)
    sigma = torch.tensor([0.2, 0.5, 0.9, 1.0])
    level = sigma[:, None, None, None]
    x = (1 - level) * picture[:1] + level * noise
    velocity = noise - picture[:1]
    expected = (velocity - said).square().mean()
    torch.testing.assert_close(noise_error(x - level * said, picture[:1], sigma), expected, rtol=1e-4, atol=1e-4)
