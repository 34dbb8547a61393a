import comfy.sample
import torch

from ..samplers.attention import as_grid
from ..samplers.bright_ending import end_token, token_attention
from ..samplers.host.attention import edit_attention, layers
from ..samplers.host.patch import unpatched
from ..samplers.host.probe import visit
from ..samplers.host.tokens import real_tokens
from ..samplers.memorization_map import relative
from .checks import check_number
from .memorization_map import FINISHED, TIMESTEP, as_image, picture_latent
from .prompts import CLIP_AND_TEXT, encode
from .sampling import to_intermediate
from .widgets import SEED


class BrightEndingMask:
    @classmethod
    def INPUT_TYPES(cls):
        return {
            "required": {
                "model": ("MODEL", {"tooltip": "The model that made the picture: SD1.x, SD2.x or SDXL."}),
                **CLIP_AND_TEXT,
                **FINISHED,
                **SEED,
                "timestep": ("FLOAT", TIMESTEP),
            }
        }

    RETURN_TYPES = ("MASK", "IMAGE", "FLOAT")
    RETURN_NAMES = ("mask", "image", "score")
    OUTPUT_TOOLTIPS = (
        "The mask in the latent's size, 1 where the attention to the end token is highest: for masks of the next run.",
        "The same as a picture, white where it is memorized.",
        "Mean attention to the end token over all pixels and pictures, 0 to 1: higher for memorized ones.",
    )
    FUNCTION = "mask"
    CATEGORY = "basin escape/attention"
    DESCRIPTION = (
        "Shows where a finished picture is memorized: where it looks at the prompt's end token in the last step "
        "(bright ending, Chen et al., ICLR 2025). For SD1.x, SD2.x and SDXL; costs one model call per picture."
    )
    SEARCH_ALIASES = ["bright ending", "memorized region", "local memorization", "end token", "attention mask", "Chen"]

    def mask(self, model, clip, text, samples, seed, timestep):
        check_number("timestep", timestep, 0.1, 500.0)
        latent, seen = picture_latent(samples), []
        layers(model)  # refuses a model without cross-attention, before anything is encoded
        positive = encode(clip, text)
        lengths = real_tokens(clip, text)
        token = end_token(lengths, positive[0][0].shape[1] // len(lengths))

        def record(call):
            if call.part == "input" and call.prompts.any():
                rows = call.prompts.nonzero().flatten()
                found = token_attention(call.q[rows], call.k[rows], call.heads, token)
                seen.append(as_grid(found, *call.shape[2:]))
            return call.k, call.v

        watched = edit_attention(unpatched(model), record)
        sigma = model.get_model_object("model_sampling").percent_to_sigma(1 - timestep / 1000)
        noise = comfy.sample.prepare_noise(latent, seed, samples.get("batch_index"))
        visit(watched, positive, positive, latent, noise, float(sigma), seed)
        attention = finest(seen).cpu()
        size = [latent.shape[2], latent.shape[3]]
        large = torch.nn.functional.interpolate(attention[:, None], size, mode="bilinear")[:, 0]
        mask = relative(large)
        return to_intermediate(mask), as_image(mask), attention.mean().item()


def finest(maps):
    """The mean over the layers with the most pixels: [batch, height, width]."""
    most = max(found.shape[1:].numel() for found in maps)
    return torch.stack([found for found in maps if found.shape[1:].numel() == most]).mean(0)


NODES = {"BrightEndingMask": ("Bright Ending Mask", BrightEndingMask)}
