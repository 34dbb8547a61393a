from ..samplers.guidance import select
from ..samplers.host.attention import edit_attention, layers
from ..samplers.host.token_gains import scale_tokens
from ..samplers.host.tokens import real_tokens
from ..samplers.reinforced_content import gains, smoothed
from .checks import check_number
from .prompts import CLIP_AND_TEXT, encode

NAME = "Reinforce Content (experimental)"
UNTOLD = "The paper's number is not published"


class ReinforceContent:
    @classmethod
    def INPUT_TYPES(cls):
        width = (
            "How far each place's attention to the prompt is spread over its neighbours: standard deviation in pixels "
            f"of every layer's own grid. {UNTOLD}. Raise it if pictures still resemble the copy. 0: not at all."
        )
        reinforce = f"How much more the words count. {UNTOLD}. Raise it if the prompt is not followed. 0: as they are."
        attenuate = f"How much less the padding after the words counts. {UNTOLD}. 1: not at all. 0: as it is."
        return {
            "required": {
                "model": ("MODEL", {"tooltip": "The model to protect: SD1.x, SD2.x or SDXL."}),
                **CLIP_AND_TEXT,
                "width": ("FLOAT", {"default": 2.0, "min": 0.0, "max": 16.0, "step": 0.1, "tooltip": width}),
                "reinforce": ("FLOAT", {"default": 0.5, "min": 0.0, "max": 5.0, "step": 0.05, "tooltip": reinforce}),
                "attenuate": ("FLOAT", {"default": 0.5, "min": 0.0, "max": 1.0, "step": 0.05, "tooltip": attenuate}),
            }
        }

    RETURN_TYPES = ("MODEL", "CONDITIONING")
    RETURN_NAMES = ("model", "positive")
    OUTPUT_TOOLTIPS = (
        "The model with its attention to the prompt changed, for any sampler node and guider.",
        "The prompt, as CLIP Text Encode makes it: for the sampler's `positive`.",
    )
    FUNCTION = "reinforce"
    CATEGORY = "basin escape/attention"
    DESCRIPTION = (
        "Spreads the attention to the prompt out, then lets its words count more and its padding less (after Joo, Kim, "
        "Han et al., 2026). Experimental: of the method only the abstract is known, the rest is reconstructed. For "
        "SD1.x, SD2.x and SDXL; no further model calls."
    )
    SEARCH_ALIASES = ["reinforce text", "smooth attention", "gaussian smoothing", "attenuate padding", "Joo", "Han"]

    def reinforce(self, model, clip, text, width, reinforce, attenuate):
        check_number("width", width, 0.0, 16.0)
        check_number("reinforce", reinforce, 0.0, 5.0)
        check_number("attenuate", attenuate, 0.0, 1.0)
        layers(model)  # refuses a model without cross-attention, before anything is encoded
        positive = encode(clip, text)
        if reinforce or attenuate:
            conds = [cond for cond, _ in positive]
            factors = gains(real_tokens(clip, text), conds[0].shape[1], reinforce, attenuate)
            model = scale_tokens(model, conds, factors, NAME)
        if width:
            model = edit_attention(model, unchanged, lambda call, out: blurred(call, out, width))
        return model, positive


def unchanged(call):
    """Keys and values as they are."""
    return call.k, call.v


def blurred(call, out, width):
    """What an attention makes, smoothed in the rows of prompts."""
    return select(call.prompts, smoothed(out, call.shape, width), out)


NODES = {"ReinforceContent": (NAME, ReinforceContent)}
