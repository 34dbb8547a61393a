from dataclasses import replace

from ..samplers.host.family import Family, family_of
from ..samplers.host.patch import patch_model
from ..samplers.settings import OFF, Settings
from ..samplers.trace import GuidanceTrace
from .detection_scores import NORM
from .live import live_curve
from .node_text import show_text
from .thresholds import modified, name_of_model, recall
from .widgets import HOW_IT_PROTECTS, TRACE_TOOLTIP, UNIQUE_ID

FOR_MODEL = "for this model"


class BasinEscapeForModel:
    @classmethod
    def INPUT_TYPES(cls):
        transition = {
            "default": FOR_MODEL,
            "off": OFF,
            "tooltip": "for this model: what is known of the connected model's family is set, and said on the node "
            "with its source. off: exactly as without this node.",
        }
        return {
            "required": {
                "model": ("MODEL", {"tooltip": "The model to protect, with its LoRAs."}),
                "transition": ([FOR_MODEL, OFF], transition),
            },
            "hidden": {**UNIQUE_ID, "prompt": "PROMPT"},
        }

    RETURN_TYPES = ("MODEL", "GUIDANCE_TRACE", "STRING")
    RETURN_NAMES = ("model", "trace", "settings")
    OUTPUT_TOOLTIPS = ("The patched model, for any sampler node.", TRACE_TOOLTIP, "What was set, and why.")
    FUNCTION = "patch"
    CATEGORY = "basin escape"
    DESCRIPTION = (
        "Basin Escape (model patch) with everything set for the connected model: method, strength and threshold. "
        + HOW_IT_PROTECTS
    )
    SEARCH_ALIASES = ["memorization", "auto", "preset", "set for me", "overfit", "copyright", "training image"]

    @classmethod
    def IS_CHANGED(cls, **_):
        return modified()

    def patch(self, model, transition=FOR_MODEL, unique_id=None, prompt=None):
        family = family_of(model)
        settings, text = settings_for(family, name_of_model(prompt, unique_id))
        if transition == OFF:
            settings, text = replace(settings, transition=OFF), "off: plain CFG"
        show_text(text)
        trace = GuidanceTrace(listener=live_curve(unique_id), goes_on=True)
        return patch_model(model, settings, trace), trace, text


def settings_for(family: Family, name: str) -> tuple[Settings, str]:
    """The settings for a model of a family whose files are called `name`, and what the node says of them."""
    settings, why = family.settings, family.why
    threshold = recall(NORM, name) if settings.mitigates else None
    if threshold is not None:
        settings = replace(settings, memorization_threshold=threshold)
        why = f"The threshold is the one that Detect Memorization remembered for {name}"
    elif settings.mitigates:
        why += ". Your own: Detect Memorization with `remember`"
    return settings, f"{family.name}: {in_words(settings)}. {why}."


def in_words(settings: Settings) -> str:
    if not settings.mitigates:
        return "mitigation off"
    gate = settings.memorization_threshold
    return f"{settings.before_transition}, transition {settings.transition}, repulsion {settings.repulsion:g}, " + (
        f"plain CFG below {gate:.4g} RMS" if gate else "no threshold"
    )


NODES = {"BasinEscapeForModel": ("Basin Escape (set for me)", BasinEscapeForModel)}
