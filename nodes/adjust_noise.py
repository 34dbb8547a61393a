import logging

import torch

from ..samplers.host.before_sampling import on_noise
from ..samplers.initial_noise import adjust_noise
from .checks import check_conditioning, check_number
from .widgets import PROMPTS


class AdjustInitialNoiseBatchwise:
    @classmethod
    def INPUT_TYPES(cls):
        rho = (
            "How far the probe moves, per square root of the latent's elements. The paper's 50 (SD 1.4) and 30 (SD "
            "2.0) at 512 pixels are 0.39 and 0.23."
        )
        gamma = "How far the noise moves against what the probe found. 0.7 in the paper. 0 leaves the noise as it is."
        iterations = "How often. Each costs four model calls per image. The paper used 2 (SD 1.4) and 4 (SD 2.0)."
        sigmas = "The sampler's sigmas: the first is the noise level at which the prompt's pull is measured."
        return {
            "required": {
                "model": ("MODEL", {"tooltip": "The model. A Basin Escape patch on it is set aside."}),
                **PROMPTS,
                "noise": ("NOISE", {"tooltip": "The noise to adjust, of RandomNoise for instance."}),
                "sigmas": ("SIGMAS", {"tooltip": sigmas}),
                "rho": ("FLOAT", {"default": 0.39, "min": 0.0, "max": 2.0, "step": 0.01, "tooltip": rho}),
                "gamma": ("FLOAT", {"default": 0.7, "min": 0.0, "max": 10.0, "step": 0.05, "tooltip": gamma}),
                "iterations": ("INT", {"default": 2, "min": 0, "max": 20, "tooltip": iterations}),
            }
        }

    RETURN_TYPES = ("NOISE",)
    RETURN_NAMES = ("noise",)
    OUTPUT_TOOLTIPS = ("The adjusted noise, for SamplerCustomAdvanced.",)
    FUNCTION = "adjust"
    CATEGORY = "basin escape/methods"
    DESCRIPTION = (
        "Moves the start noise to where a memorized prompt pulls less, so that guidance can begin sooner (Han et al., "
        "batch-wise). Costs eight model calls per image before sampling. It is half of a method: let zero guidance "
        "with a static transition at 0.1 follow it (Basin Escape)."
    )
    SEARCH_ALIASES = [
        "adjust initial noise",
        "initial noise",
        "start noise",
        "sharpness aware noise",
        "memorization noise",
    ]

    def adjust(self, model, positive, negative, noise, sigmas, rho, gamma, iterations):
        check_conditioning(positive=positive, negative=negative)
        check_number("rho", rho, 0.0, 2.0)
        check_number("gamma", gamma, 0.0, 10.0)
        if len(sigmas) < 2:
            raise ValueError("sigmas is empty: connect a scheduler node with denoise above 0.")
        return (AdjustedNoise(noise, model, positive, negative, sigmas, rho, gamma, iterations),)


class AdjustedNoise:
    """A NOISE: what another one makes of a latent, adjusted. Without state: the same latent gets the same noise."""

    def __init__(self, noise, model, positive, negative, sigmas, rho, gamma, iterations):
        self.noise, self.seed, self.how = noise, noise.seed, (rho, gamma, iterations)
        self.run = (model, positive, negative, sigmas)
        self.off = not (gamma and iterations)

    def generate_noise(self, input_latent):
        start = self.noise.generate_noise(input_latent)
        if self.off:
            return start
        if not isinstance(start, torch.Tensor) or getattr(start, "is_nested", False):
            raise ValueError(
                "latent_image holds several latents in one (video with sound), whose noise cannot be adjusted: take "
                "the noise node out."
            )
        if not torch.count_nonzero(start):  # DisableNoise
            return start
        if torch.count_nonzero(input_latent["samples"]):
            logging.warning(
                "Basin Escape: the initial noise is adjusted for a latent that is not empty; the paper's is."
            )
        return on_noise(*self.run, input_latent, start, self.seed, lambda x, delta: adjust_noise(x, delta, *self.how))


NODES = {"AdjustInitialNoiseBatchwise": ("Adjust Initial Noise (batch-wise)", AdjustInitialNoiseBatchwise)}
