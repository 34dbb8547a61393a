from ..samplers.host.patch import patch_model
from ..samplers.settings import Settings
from ..samplers.trace import GuidanceTrace
from .live import live_curve
from .widgets import TRACE_TOOLTIP, TRANSITION_WIDGETS, UNIQUE_ID


class BasinEscapeModelPatch:
    @classmethod
    def INPUT_TYPES(cls):
        model = ("MODEL", {"tooltip": "The model whose guidance is to wait for the transition."})
        return {"required": {"model": model, **TRANSITION_WIDGETS}, "hidden": UNIQUE_ID}

    RETURN_TYPES = ("MODEL", "GUIDANCE_TRACE")
    RETURN_NAMES = ("model", "trace")
    OUTPUT_TOOLTIPS = ("The patched model, for any sampler node.", TRACE_TOOLTIP)
    FUNCTION = "patch"
    CATEGORY = "basin escape"
    DESCRIPTION = (
        "Keeps a memorized image from being reproduced: classifier-free guidance acts only after the trajectory "
        "has left the attraction basin (Jain et al.). Works under every sampler node that runs a negative pass. Put it "
        "last, after every other node that changes guidance. "
        "With a negative prompt, the guider or the sampler node with `unconditional` is the better choice."
    )
    SEARCH_ALIASES = [
        "memorization",
        "zero guidance",
        "opposite guidance",
        "cfg delay",
        "copy",
        "attraction basin",
    ]

    def patch(self, model, unique_id=None, **widgets):
        trace = GuidanceTrace(listener=live_curve(unique_id), goes_on=True)
        return patch_model(model, Settings(**widgets), trace), trace


NODES = {"BasinEscapeModelPatch": ("Basin Escape (model patch)", BasinEscapeModelPatch)}
