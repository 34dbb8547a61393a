"""The exact minimum-mean-square-error denoiser of the testbed's distribution, and it as a network would be.

Latents are pixels times SCALE (the variant scenes has another). A noisy latent is x = a x0 + b noise: a = 1, b = sigma
for eps- and v-models (ComfyUI's variance-exploding form), a = 1 - sigma, b = sigma for rectified flow.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from .distribution import DEVIATION
from .prior import log_prior

SCALE = 0.5
VARIANTS = ("eps", "v", "flow")


def noise_coefficients(variant: str, sigma: Tensor) -> tuple[Tensor, Tensor]:
    """(a, b) at the noise levels `sigma` [batch], each [batch, 1]."""
    sigma = sigma.float()[:, None]
    return (1 - sigma if variant == "flow" else torch.ones_like(sigma)), sigma


def posterior_mean(
    x: Tensor, a: Tensor, b: Tensor, means: Tensor, squares: Tensor, prior: Tensor, c: float = SCALE * DEVIATION
) -> Tensor:
    """E[x0 | x] for x0 from a mixture of N(means, c^2).

    x [batch, d], a and b [batch, 1], means [components, d] in latent units and their squared lengths
    [components], prior [batch, components] log.
    """
    c2 = c**2
    variance = a**2 * c2 + b**2
    log_likelihood = (a * x @ means.T - a**2 / 2 * squares) / variance
    mean = torch.softmax(prior + log_likelihood, dim=1) @ means
    return mean + a * c2 / variance * (x - a * mean)


class ExactDenoiser(torch.nn.Module):
    """`posterior_mean` with the interface of a ComfyUI diffusion model.

    means      [components, 3, size, size] in pixel units
    variant    one of VARIANTS: what the output is, as the host's model_sampling expects it
    prior      context [batch, tokens, words] -> [batch, components] log prior probabilities
    deviation  standard deviation of a component, in pixel units
    scale      of the latents
    """

    means: Tensor
    squares: Tensor

    def __init__(
        self,
        means: Tensor,
        variant: str,
        prior: Callable[[Tensor], Tensor] = log_prior,
        deviation: float = DEVIATION,
        scale: float = SCALE,
    ):
        super().__init__()
        self.dtype = torch.float32
        self.variant, self.prior, self.c = variant, prior, scale * deviation
        self.register_buffer("means", scale * means.flatten(1))
        self.register_buffer("squares", self.means.square().sum(1))

    def forward(self, x, timesteps, context: Tensor, control=None, transformer_options={}, **kwargs):
        """A network is told the timestep, rounded to the schedule; the exact answer needs the noise level."""
        if x.shape[1:].numel() != self.means.shape[1]:
            raise ValueError(
                "The memorization testbed knows whole pictures only, and was asked for a part of one: leave out "
                "Conditioning (Set Area) and tiled sampling."
            )
        sigma = transformer_options["sigmas"]
        sigma = sigma.repeat(len(x) // len(sigma)).float()
        a, b = noise_coefficients(self.variant, sigma)
        norm = 1 if self.variant == "flow" else (1 + b**2).sqrt()  # the host hands over x / norm
        noisy = x.flatten(1) * norm
        denoised = posterior_mean(noisy, a, b, self.means, self.squares, self.prior(context), self.c)
        if self.variant == "v":
            return ((noisy / norm**2 - denoised) * norm / b).view_as(x)
        return ((noisy - denoised) / b).view_as(x)
