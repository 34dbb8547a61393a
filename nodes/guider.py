from ..samplers.guider import BasinEscapeCFGGuider
from ..samplers.settings import Settings
from ..samplers.trace import GuidanceTrace
from .inputs import (
    CFG,
    PROMPTS,
    SKIP_UNUSED_PASS,
    TRACE_TOOLTIP,
    TRANSITION_WIDGETS,
    UNCONDITIONAL,
    UNIQUE_ID,
    check_cfg,
    check_conditioning,
)
from .live import live_curve


def build_guider(
    model,
    positive,
    negative,
    cfg,
    skip_unused_pass=False,
    unconditional=None,
    unique_id=None,
    kind=BasinEscapeCFGGuider,
    **widgets,
) -> BasinEscapeCFGGuider:
    """A guider of the class `kind` with its own trace. Raises ValueError naming the widget or socket that is wrong."""
    settings = Settings(**widgets)
    check_cfg(cfg)
    check_conditioning(positive=positive, negative=negative)
    if unconditional is not None:
        check_conditioning(unconditional=unconditional)
    trace = GuidanceTrace(listener=live_curve(unique_id))
    guider = kind(model, settings, trace, skip_unused_pass)
    guider.set_conds(positive, negative, unconditional)
    guider.set_cfg(cfg)
    return guider


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
        "CFG Guider that keeps a memorized image from being reproduced: guidance acts only after the trajectory has "
        "left the attraction basin (Jain et al.). Takes an empty prompt besides the negative one, and can skip the "
        "pass that a static transition does not use."
    )
    SEARCH_ALIASES = ["memorization", "zero guidance", "opposite guidance", "cfg guider", "attraction basin"]

    def get_guider(
        self, model, positive, negative, cfg, skip_unused_pass, unconditional=None, unique_id=None, **widgets
    ):
        guider = build_guider(model, positive, negative, cfg, skip_unused_pass, unconditional, unique_id, **widgets)
        return guider, guider.trace
