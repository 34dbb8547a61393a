"""What a model says of a run, as a function of the prompt's embedding."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ..adversarial_embedding import noise_error
from ..guidance import norm, rms
from .differentiable_run import Differentiable, with_gradients

Function = Callable[[Tensor], Tensor]


def with_embedding(
    model: Any, positive: list, negative: list, latent: dict, noise: Tensor, seed: int, work: Callable
) -> Any:
    """What `work(embedding, noise, run)` makes of a run of `model` from the highest noise level.

    Its embedding [1, tokens, dim] is that of `positive`. ValueError where the model does not take it as it is.
    """

    def begin(start: Tensor, run: Differentiable) -> Any:
        embedding, given = run.embedding, positive[0][0]
        if len(given) > 1:
            raise ValueError(
                f"positive has {len(given)} embeddings, one for each image: connect the prompt as it was encoded."
            )
        if embedding.shape != given.shape or not torch.equal(embedding.to(given), given):
            raise ValueError(
                f"model ({type(run.model).__name__}) changes the prompt's embedding before it uses it, so that no "
                "other can be handed to it: connect a model of Stable Diffusion, or the testbed."
            )
        return work(embedding.to(start.device), start, run)

    highest = model.get_model_object("model_sampling").sigma_max
    return with_gradients(model, positive, negative, torch.tensor([float(highest), 0.0]), latent, noise, seed, begin)


def guidance_norms(run: Differentiable, noise: Tensor) -> Function:
    """Embeddings [1 or images, tokens, dim] -> the guidance norm of each image [images] in the first step, in RMS."""
    x, sigma = run.noisy(noise), run.sigma
    empty = run.uncond(x, sigma)
    return lambda e: rms(norm(empty - run.cond(x, sigma, e)) / sigma.float(), noise[0].numel())


def picture_errors(run: Differentiable, draws: int, generator: torch.Generator) -> Function:
    """An embedding [1, tokens, dim] -> `noise_error` of the run's own picture, with noise that is new in every call.

    The timesteps are drawn evenly, from the generator on the CPU, and so is the noise.
    """
    sampling, picture = run.model.model_sampling, run.start[:1]

    def error(e: Tensor) -> Tensor:
        percents = 0.001 + 0.998 * torch.rand(draws, generator=generator)
        sigma = torch.tensor([float(sampling.percent_to_sigma(percent)) for percent in percents.tolist()]).to(picture)
        noise = torch.randn(draws, *picture.shape[1:], generator=generator).to(picture)
        x = sampling.noise_scaling(sigma.view(-1, *[1] * (picture.ndim - 1)), noise, picture, False)
        return noise_error(run.cond(x, sigma, e), picture, sigma)

    return error
