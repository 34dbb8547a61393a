from ..samplers.repadded_prompt import MASK, MODES, NO_END, OFF, REPAD, repad, silent, without
from ..testbed.prompt_encoder import filler
from .checks import check_number

# "!" in the tokenizers whose prompts come in blocks that are padded: CLIP L, G and H, and the learned testbed's.
PADS = {"l": 0, "g": 0, "h": 0, "words": filler("!")}


class RepadPrompt:
    @classmethod
    def INPUT_TYPES(cls):
        text = {"multiline": True, "dynamicPrompts": True, "tooltip": "The prompt."}
        mode = (
            'repad, end token off: "!" for the padding, and no end token (the paper\'s main variant). repad: the "!" '
            "alone. mask pads: the ordinary encoding without the pads next to the end token. off: as CLIP Text Encode."
        )
        share = "Of mask pads: how many of the pads are masked. The paper used 0.7, and tried 0.4."
        number = {"default": 0.7, "min": 0.0, "max": 1.0, "step": 0.05}
        return {
            "required": {
                "clip": ("CLIP", {"tooltip": "The text encoder of an SD1.x, SD2.x or SDXL checkpoint."}),
                "text": ("STRING", text),
                "mode": (list(MODES), {"default": NO_END, "tooltip": mode}),
                "share": ("FLOAT", {**number, "tooltip": share, "shown_when": {"mode": [MASK]}}),
            }
        }

    RETURN_TYPES = ("CONDITIONING", "CONDITIONING")
    RETURN_NAMES = ("positive", "empty")
    OUTPUT_TOOLTIPS = (
        "The prompt, for the positive socket of a sampler node.",
        "The empty prompt with the same padding, its end token left on, for the negative socket: what the paper's code "
        "samples with.",
    )
    FUNCTION = "encode"
    CATEGORY = "basin escape/methods"
    DESCRIPTION = (
        "CLIP Text Encode whose padding carries no copy (Kim & No): for SD1.x, which pads a prompt with its end token. "
        "No further model call. SD2.x pads with something else already, SDXL in one of its two encoders: there only "
        "the other modes do something."
    )
    SEARCH_ALIASES = ["clip padding", "pad token", "end token", "EOT", "CLIP text encode", "memorization prompt"]

    def encode(self, clip, text, mode, share):
        check_number("share", share, 0.0, 1.0)
        return encoded(clip, text, mode, share), encoded(clip, "", REPAD if mode == NO_END else mode, 0.0)


def encoded(clip, text, mode, share):
    """The CONDITIONING of a text. Raises ValueError for a text encoder without such padding."""
    parts = clip.tokenize(text)
    if mode == OFF:
        return clip.encode_from_tokens_scheduled(parts)
    check_blocks(parts)
    ends = {name: blocks[0][1][0] for name, blocks in clip.tokenize("").items()}
    if mode in (REPAD, NO_END):
        repadded = {name: [repad(block, ends[name], PADS[name]) for block in blocks] for name, blocks in parts.items()}
    else:
        repadded = parts
    masks = [silent(blocks, ends[name], mode, share) for name, blocks in parts.items()]
    if any(len(mask) != len(masks[0]) or (mask != masks[0]).any() for mask in masks):
        raise ValueError(
            "text is of different length in the two text encoders (an embedding that is made for one of them): leave "
            "the embedding out, or set mode to off."
        )
    conds = clip.encode_from_tokens_scheduled(repadded)
    return [[without(cond, masks[0]), extra] for cond, extra in conds]


def check_blocks(parts):
    """Raise ValueError for tokens of an encoder that this was not made for."""
    names = list(parts) if isinstance(parts, dict) else ["words of their own"]
    strange = [name for name in names if name not in PADS]
    if strange:
        raise ValueError(
            f"clip is a text encoder ({', '.join(strange)}) that does not pad prompts as SD1.x, SD2.x and SDXL do: "
            "connect one of those, or the learned testbed's, or set mode to off."
        )


NODES = {"RepadPrompt": ("Repad Prompt", RepadPrompt)}
