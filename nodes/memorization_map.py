import comfy.sample
import torch

from ..samplers.host.probe import probe
from ..samplers.memorization_map import box_filter, relative, squared_guidance
from .checks import check_conditioning, check_number
from .sampling import fitting_samples, to_intermediate
from .widgets import PROMPTS, SEED

# Of the nodes that look at a picture once more, at the end of its sampling.
FINISHED = {
    "samples": (
        "LATENT",
        {"tooltip": "The finished picture, sampled without mitigation: after a transition its end is an ordinary one."},
    ),
}
TIMESTEP = {
    "default": 1.0,
    "min": 0.1,
    "max": 500.0,
    "step": 0.1,
    "tooltip": "Where to look: the noise level of this timestep (1000 is noise, 0 the picture). The paper took the "
    "last of 50 steps, 1.",
}


class MemorizationMap:
    @classmethod
    def INPUT_TYPES(cls):
        timestep = {**TIMESTEP, "tooltip": f"{TIMESTEP['tooltip']} Higher (20) where the map is all grain."}
        box = {
            "default": 13,
            "min": 1,
            "max": 63,
            "step": 2,
            "tooltip": "Side of the box over which the map is averaged, in pixels of the latent (eighths of the "
            "picture's). The paper took 13 for 64 x 64 latents: take 25 for SDXL, 3 for the testbed. 1: no filter.",
        }
        model = "The model, with all nodes that change its guidance. A Basin Escape patch on it is set aside."
        return {
            "required": {
                "model": ("MODEL", {"tooltip": model}),
                **PROMPTS,
                **FINISHED,
                **SEED,
                "timestep": ("FLOAT", timestep),
                "box": ("INT", box),
            }
        }

    RETURN_TYPES = ("MASK", "IMAGE", "FLOAT")
    RETURN_NAMES = ("mask", "image", "score")
    OUTPUT_TOOLTIPS = (
        "The map in the latent's size, 1 where the prompt pulls most: for masks of the next run.",
        "The same as a picture, white where it is memorized.",
        "Mean squared guidance over all pixels and pictures: high for memorized ones. Every model has its own scale.",
    )
    FUNCTION = "map"
    CATEGORY = "basin escape/attention"
    DESCRIPTION = (
        "Shows where a finished picture is memorized: where the prompt still pulls at the very end (Kim and Lee, ICML "
        "2026). For any model with guidance; costs one pair of model calls per picture."
    )
    SEARCH_ALIASES = ["memorized region", "localize", "heat map", "curvature", "where is it copied", "Kim and Lee"]

    def map(self, model, positive, negative, samples, seed, timestep, box):
        check_conditioning(positive=positive, negative=negative)
        check_number("timestep", timestep, 0.1, 500.0)
        picture_latent(samples)
        latent = fitting_samples(model, samples)
        sigma = model.get_model_object("model_sampling").percent_to_sigma(1 - timestep / 1000)
        noise = comfy.sample.prepare_noise(latent, seed, samples.get("batch_index"))
        pair = probe(model, positive, negative, latent, noise, float(sigma), seed)
        squared = squared_guidance(pair.cond, pair.uncond, pair.sigma).view(-1, *latent.shape[-2:])
        mask = relative(box_filter(squared, box))
        return to_intermediate(mask), as_image(mask), squared.mean().item()


def picture_latent(latent):
    """The samples of a LATENT of pictures, of which some models make videos of one frame. ValueError for any other."""
    samples = latent["samples"]
    picture = isinstance(samples, torch.Tensor) and not getattr(samples, "is_nested", False)
    if not picture or not (samples.ndim == 4 or (samples.ndim == 5 and samples.shape[2] == 1)):
        raise ValueError(
            "samples is no latent of pictures (batch, channels, height, width): video and sound have no map."
        )
    return samples


def as_image(mask):
    """[batch, height, width] in [0, 1] as an IMAGE of eight times the size."""
    large = torch.nn.functional.interpolate(mask[:, None], scale_factor=8, mode="nearest")
    return to_intermediate(large.movedim(1, -1).expand(-1, -1, -1, 3).contiguous())


NODES = {"MemorizationMap": ("Memorization Map", MemorizationMap)}
