from ..samplers.settings import Settings
from .live import live_curve
from .sampling import build_guider
from .transition_widgets import TRANSITION_WIDGETS
from .widgets import (
    CFG,
    HOW_IT_PROTECTS,
    PROMPTS,
    SKIP_UNUSED_PASS,
    TRACE_TOOLTIP,
    UNCONDITIONAL,
    UNIQUE_ID,
)


class BasinEscapeGuider:
    @classmethod
    def INPUT_TYPES(cls):
        return {
            "required": {
                "model": ("MODEL", {"tooltip": "The model used for denoising."}),
                **PROMPTS,
                **CFG,
                **TRANSITION_WIDGETS,
                **SKIP_UNUSED_PASS,
            },
            "optional": UNCONDITIONAL,
            "hidden": UNIQUE_ID,
        }

    RETURN_TYPES = ("GUIDER", "GUIDANCE_TRACE")
    RETURN_NAMES = ("guider", "trace")
    OUTPUT_TOOLTIPS = ("The guider, for SamplerCustomAdvanced.", TRACE_TOOLTIP)
    FUNCTION = "get_guider"
    CATEGORY = "basin escape"
    DESCRIPTION = (
        "CFG Guider that keeps a model from reproducing its training images, for SamplerCustomAdvanced. "
        + HOW_IT_PROTECTS
        + " Takes an empty prompt beside the negative one, and can skip a pass that is not used."
    )
    SEARCH_ALIASES = [
        "memorization guider",
        "training image guider",
        "orthogonal guidance",
        "zero guidance",
        "opposite guidance",
        "cfg guider",
        "attraction basin",
    ]

    def get_guider(
        self, model, positive, negative, cfg, skip_unused_pass, unconditional=None, unique_id=None, **widgets
    ):
        settings, listener = Settings(**widgets), live_curve(unique_id)
        guider = build_guider(model, positive, negative, cfg, settings, listener, skip_unused_pass, unconditional)
        guider.trace.goes_on = True
        return guider, guider.trace


NODES = {"BasinEscapeGuider": ("Basin Escape Guider", BasinEscapeGuider)}
