from ..samplers.host.reanchor import ReanchorCFGGuider
from ..samplers.reanchored_guidance import BLEND, FORMULAS, Reanchoring
from .checks import check_cfg, check_conditioning
from .prompts import encode, lines_of
from .widgets import CFG, PROMPTS

ALTERNATIVES = {
    "clip": ("CLIP", {"tooltip": "The text encoder, for the alternatives in the text box."}),
    "alternative": ("CONDITIONING", {"tooltip": "An alternative prompt, tried before those of the text box."}),
}


class ReanchorGuidance:
    @classmethod
    def INPUT_TYPES(cls):
        alternatives = (
            "Other ways to say the prompt, one per line, without the words that trigger the copy. In the first step "
            "they are tried in this order. The paper takes 25 from a language model. Needs clip."
        )
        formula = (
            "blend: the released code, plain CFG on the alternative up to plain_below, away from the original prompt "
            "from full_from on. paper: from the original prompt to the alternative at full scale in every step."
        )
        search = (
            "An image whose guidance norm (RMS) in the first step is below this is plain CFG. Above it, the first "
            "alternative below it is taken, else the lowest. The code's 1 at 512 pixels is 0.0078, about the median of "
            "ordinary prompts: calibrate it as memorization_threshold. 0 takes the alternative with the lowest norm, "
            "always."
        )
        plain = "Of blend: up to this guidance norm (RMS) of the alternative, plain CFG on it. The code's 3 is 0.0234."
        full = (
            "Of blend: from this guidance norm (RMS) of the alternative on, full re-anchoring. The code's 5 is 0.0391."
        )
        rms = {"min": 0.0, "max": 1.0, "step": 0.0001}
        blend = {**rms, "shown_when": {"formula": [BLEND]}}
        return {
            "required": {
                "model": (
                    "MODEL",
                    {"tooltip": "The model used for denoising. A Basin Escape patch on it is set aside."},
                ),
                **PROMPTS,
                **CFG,
                "alternatives": ("STRING", {"multiline": True, "tooltip": alternatives}),
                "formula": (list(FORMULAS), {"default": BLEND, "tooltip": formula}),
                "search_below": ("FLOAT", {"default": 0.0078, "tooltip": search, **rms}),
                "plain_below": ("FLOAT", {"default": 0.0234, "tooltip": plain, **blend}),
                "full_from": ("FLOAT", {"default": 0.0391, "tooltip": full, **blend}),
            },
            "optional": ALTERNATIVES,
        }

    RETURN_TYPES = ("GUIDER",)
    RETURN_NAMES = ("guider",)
    OUTPUT_TOOLTIPS = ("The guider, for SamplerCustomAdvanced.",)
    FUNCTION = "get_guider"
    CATEGORY = "basin escape/methods"
    DESCRIPTION = (
        "CFG Guider that leads a memorized prompt to another way of saying it, and away from itself (PRSS, Chen et "
        "al.), for SamplerCustomAdvanced. Costs a third model call in every step, and in the first step one for each "
        "alternative that is tried; an image that is not memorized costs and looks like plain CFG."
    )
    SEARCH_ALIASES = ["PRSS", "prompt re-anchoring", "semantic search", "alternative prompt", "memorization guider"]

    def get_guider(self, model, positive, negative, cfg, alternatives, clip=None, alternative=None, **widgets):
        check_cfg(cfg)
        check_conditioning(positive=positive, negative=negative)
        lines = lines_of(alternatives)
        if lines and clip is None:
            raise ValueError("clip is needed for the alternatives in the text box: connect it, or empty the box.")
        if alternative is not None:
            check_conditioning(alternative=alternative)
        conds = [] if alternative is None else [alternative]
        if clip is not None:
            conds += [encode(clip, line) for line in lines]
        if not conds:
            raise ValueError(
                "alternatives is empty: write another way to say the prompt, one per line, or connect an encoded one "
                "to alternative."
            )
        guider = ReanchorCFGGuider(model, Reanchoring(**widgets))
        guider.set_conds(positive, negative, conds)
        guider.set_cfg(cfg)
        return (guider,)


NODES = {"ReanchorGuidance": ("Re-anchor Guidance", ReanchorGuidance)}
