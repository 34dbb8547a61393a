from ..samplers.first_token import scale_first_token, without_padding
from ..samplers.guidance import select
from ..samplers.host.attention import edit_attention, layers
from ..samplers.host.tokens import real_tokens
from .checks import check_number
from .prompts import CLIP_AND_TEXT, encode


class MitigateCrossAttention:
    @classmethod
    def INPUT_TYPES(cls):
        scale = {
            "default": 1.25,
            "min": 1.0,
            "max": 2.0,
            "step": 0.01,
            "tooltip": "What the attention to the prompt's first token (it says nothing) is multiplied by, before "
            "softmax: the words get less. The paper took 1.25, a comparison tried 1.15 to 1.35. Raise it if pictures "
            "still resemble the copy, lower it if the prompt is not followed. 1 changes nothing.",
        }
        mask = {
            "default": True,
            "tooltip": "Leave the padding after the words out of the prompt, as the paper does. The copy of a "
            "memorized prompt hangs on it. Prompt and negative prompt are then of different length, and no longer one "
            "batch.",
        }
        end = {
            "default": True,
            "tooltip": "With mask_padding: keep the end token, which sums the prompt up. On as in the paper's released "
            "settings; off is its stronger option.",
        }
        return {
            "required": {
                "model": ("MODEL", {"tooltip": "The model to protect: SD1.x, SD2.x or SDXL."}),
                **CLIP_AND_TEXT,
                "first_token_scale": ("FLOAT", scale),
                "mask_padding": ("BOOLEAN", mask),
                "keep_end_token": ("BOOLEAN", end),
            }
        }

    RETURN_TYPES = ("MODEL", "CONDITIONING")
    RETURN_NAMES = ("model", "positive")
    OUTPUT_TOOLTIPS = (
        "The model with the first token's attention scaled, for any sampler node and guider.",
        "The prompt, without its padding: for the sampler's `positive`.",
    )
    FUNCTION = "mitigate"
    CATEGORY = "basin escape/attention"
    DESCRIPTION = (
        "Keeps a prompt's summary from carrying the copy (Ren et al., ECCV 2024): masks the padding, and turns the "
        "attention towards the first token. Takes the place of CLIP Text Encode for the positive prompt. For SD1.x, "
        "SD2.x and SDXL; no further model calls."
    )
    SEARCH_ALIASES = ["cross attention", "attention rescale", "mask padding", "begin token", "Ren", "memorization"]

    def mitigate(self, model, clip, text, first_token_scale, mask_padding, keep_end_token):
        check_number("first_token_scale", first_token_scale, 1.0, 2.0)
        layers(model)  # refuses a model without cross-attention, before anything is encoded
        positive = encode(clip, text)
        if mask_padding:
            lengths = real_tokens(clip, text)
            positive = [[without_padding(cond, lengths, keep_end_token), extra] for cond, extra in positive]
        if first_token_scale == 1:
            return model, positive

        def scaled(call):
            return select(call.prompts, scale_first_token(call.k, first_token_scale), call.k), call.v

        return edit_attention(model, scaled), positive


NODES = {"MitigateCrossAttention": ("Mitigate Cross-Attention", MitigateCrossAttention)}
