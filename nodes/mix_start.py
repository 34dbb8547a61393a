import logging

import torch

from ..samplers.mixed_start import mixed_start
from .checks import check_number


class MixStartNoise:
    @classmethod
    def INPUT_TYPES(cls):
        model = "The model, which knows the scale of its latents."
        noise = "The start noise, of RandomNoise for instance."
        reference = (
            "A picture that is not memorized, of what the prompt asks for, encoded at the size that you work with: one "
            "for all images, or one for each."
        )
        cutoff = (
            "Up to which frequency the reference is taken, as a share of the highest; above it stands the noise. The "
            "paper's is not published. Higher: more of the reference in the picture. 0 leaves the noise as it is."
        )
        return {
            "required": {
                "model": ("MODEL", {"tooltip": model}),
                "noise": ("NOISE", {"tooltip": noise}),
                "reference": ("LATENT", {"tooltip": reference}),
                "cutoff": ("FLOAT", {"default": 0.2, "min": 0.0, "max": 1.0, "step": 0.01, "tooltip": cutoff}),
            }
        }

    RETURN_TYPES = ("NOISE",)
    RETURN_NAMES = ("noise",)
    OUTPUT_TOOLTIPS = ("The mixed noise, for SamplerCustomAdvanced.",)
    FUNCTION = "mix"
    CATEGORY = "basin escape/methods"
    DESCRIPTION = (
        "Begins with the coarse structure of a reference picture in the start noise, in the place of a memorized "
        "layout (CAPTAIN, Zhang et al., 2025). Experimental: it is the first part of a method whose other parts are "
        "not published in enough detail. No further model call."
    )
    SEARCH_ALIASES = ["CAPTAIN", "frequency", "fourier", "low frequency", "reference image", "initial noise"]

    def mix(self, model, noise, reference, cutoff):
        check_number("cutoff", cutoff, 0.0, 1.0)
        picture = reference["samples"]
        if not isinstance(picture, torch.Tensor) or getattr(picture, "is_nested", False):
            raise ValueError("reference holds several latents in one (video with sound): connect that of a picture.")
        if not torch.count_nonzero(picture):
            raise ValueError("reference is an empty latent: connect a picture, by VAE Encode.")
        return (MixedNoise(noise, model.model.process_latent_in(picture), cutoff),)


class MixedNoise:
    """A NOISE: the high frequencies of another one, and the low ones of `reference` [1 or batch, ...]."""

    def __init__(self, noise, reference, cutoff):
        self.noise, self.seed, self.reference, self.cutoff = noise, noise.seed, reference, cutoff

    def generate_noise(self, input_latent):
        start = self.noise.generate_noise(input_latent)
        if self.cutoff == 0:
            return start
        check_fits(self.reference, start)
        if not torch.count_nonzero(start):  # DisableNoise
            return start
        if torch.count_nonzero(input_latent["samples"]):
            logging.warning("Basin Escape: the start is mixed for a latent that is not empty; the paper's is.")
        return mixed_start(start, self.reference.to(start.device), self.cutoff)


def check_fits(reference, start):
    """Raise ValueError for a reference of another size than the noise, or of another number of images."""
    if not isinstance(start, torch.Tensor) or getattr(start, "is_nested", False):
        raise ValueError(
            "latent_image holds several latents in one (video with sound), whose noise cannot be mixed: take the node "
            "out."
        )
    if reference.shape[1:] != start.shape[1:]:
        sizes = ("x".join(map(str, part.shape[1:])) for part in (reference, start))
        raise ValueError(
            "reference has the size {} and the noise {}: encode a picture of the size of latent_image.".format(*sizes)
        )
    if len(reference) not in (1, len(start)):
        raise ValueError(
            f"reference holds {len(reference)} pictures and the batch {len(start)}: connect one for all, or one for "
            "each."
        )


NODES = {"MixStartNoise": ("Mix Start Noise (experimental)", MixStartNoise)}
