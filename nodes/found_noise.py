"""What the nodes that search for a start noise by gradients have in common."""

import logging
from collections.abc import Callable
from typing import Any, NamedTuple

import comfy.utils
import torch
from torch import Tensor

from ..samplers.descent import Ask
from ..samplers.guidance import norm
from ..samplers.host.differentiable_run import Differentiable, with_gradients
from .checks import check_conditioning
from .node_text import show_text
from .sampling import fitting_samples
from .widgets import PROMPTS

SOCKETS = {
    "model": ("MODEL", {"tooltip": "The model, not quantised. A Basin Escape patch on it is set aside."}),
    **PROMPTS,
    "noise": ("NOISE", {"tooltip": "The noise to begin with, of RandomNoise for instance."}),
    "sigmas": (
        "SIGMAS",
        {"tooltip": "The sampler's sigmas: the first is the noise level at which the prompt's pull is measured."},
    ),
    "latent_image": ("LATENT", {"tooltip": "The sampler's latent: the noise is found for it, image by image."}),
}

OUTPUTS = (
    "The noise that was found, for SamplerCustomAdvanced with the same latent.",
    "What every image came to, and what it cost.",
)

LEARNING_RATE = {"min": 0.0001, "max": 1.0, "step": 0.001, "round": False}


class Found(NamedTuple):
    """Of one image: its unit noise [1, ...], and what the report says."""

    noise: Tensor
    line: str


# find(x, run, tell) -> Found; tell(text, updates) of what goes on
Find = Callable[[Tensor, Differentiable, Callable[[str, int], None]], Found]


class FoundNoise:
    """A NOISE that was found beforehand, for the latent of which `noise` makes `start`."""

    def __init__(self, noise: Any, start: Tensor, found: Tensor):
        self.noise, self.seed, self.start, self.found = noise, noise.seed, start, found

    def generate_noise(self, input_latent: dict) -> Tensor:
        start = self.noise.generate_noise(input_latent)
        if not isinstance(start, Tensor) or not torch.equal(start, self.start):
            raise ValueError(
                "The noise was found for another latent: connect the sampler's latent_image to the noise node as well."
            )
        return self.found.clone()


def find_noise(
    find: Find, updates: int, model: Any, positive: list, negative: list, noise: Any, sigmas: Tensor, latent_image: dict
) -> tuple[FoundNoise, str]:
    """The noise of a batch, image by image, at most so many updates each, and the report.

    Raises ValueError naming the socket that is wrong.
    """
    check(positive, negative, sigmas, latent_image)
    latent = {**latent_image, "samples": fitting_samples(model, latent_image)}
    start = noise.generate_noise(latent)
    if not torch.count_nonzero(start):  # DisableNoise
        return FoundNoise(noise, start, start), "no noise to adjust"
    if torch.count_nonzero(latent["samples"]):
        logging.warning("Basin Escape: the start noise is searched for a latent that is not empty; the paper's is.")
    bar, found = comfy.utils.ProgressBar(max(len(start) * updates, 1)), []

    def work(x: Tensor, run: Differentiable) -> tuple[Found, int, int]:
        done, image = len(found) * updates, f"image {len(found) + 1} of {len(start)}, "

        def tell(text: str, updated: int) -> None:
            bar.update_absolute(done + updated)
            show_text(image + text)

        return find(x, run, tell), run.forward, run.backward

    for row, one in enumerate(start.split(1)):
        only = {**latent, "samples": latent["samples"][row : row + 1], **_mask_of(latent, row)}
        found.append(with_gradients(model, positive, negative, sigmas, only, one, noise.seed, work))
    new = torch.cat([made.noise for made, *_ in found]).to(start)
    report = summed_up(found, (norm(new) / norm(start)).tolist())
    show_text(report)
    return FoundNoise(noise, start, new), report


def summed_up(found: list[tuple[Found, int, int]], lengths: list[float]) -> str:
    """The report: a line for each image, and the cost in predictions, forward and backward, two for a pair."""
    forward, backward = (sum(counts) // 2 for counts in list(zip(*found, strict=True))[1:])
    images = zip(found, lengths, strict=True)
    lines = [f"image {number}: {of[0].line}, length x {length:.2f}" for number, (of, length) in enumerate(images, 1)]
    return "\n".join([*lines, f"cost: {forward} pairs of model calls, {backward} of them with a backward pass"])


def told(ask: Callable[[Tensor], Tensor], run: Differentiable, tell: Callable[[float, int], None]) -> Ask:
    """`ask` with its gradient, which tells every number and how many updates led to it."""
    updates = -1

    def both(x: Tensor, enough: float) -> tuple[Tensor, Tensor | None]:
        nonlocal updates
        value, gradient = run.value_and_gradient(ask, x, enough)
        updates += 1
        tell(value.item(), updates)
        return value, gradient

    return both


def check(positive: list, negative: list, sigmas: Tensor, latent_image: dict) -> None:
    """Raise ValueError naming the socket that is wrong."""
    check_conditioning(positive=positive, negative=negative)
    for socket, conditioning in (("positive", positive), ("negative", negative)):
        if any(len(prompt) > 1 for prompt, *_ in conditioning):
            raise ValueError(f"{socket} holds a prompt for each image: connect one, and search image by image.")
    if len(sigmas) < 2:
        raise ValueError("sigmas is empty: connect a scheduler node with denoise above 0.")
    samples = latent_image["samples"]
    if not isinstance(samples, Tensor) or getattr(samples, "is_nested", False):
        raise ValueError("latent_image holds several latents in one (video with sound): take the node out.")


def _mask_of(latent: dict, row: int) -> dict:
    mask = latent.get("noise_mask")
    return {} if mask is None or len(mask) == 1 else {"noise_mask": mask[row % len(mask)][None]}
