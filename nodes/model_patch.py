from ..samplers.host.patch import patch_model
from ..samplers.settings import Settings
from ..samplers.trace import GuidanceTrace
from .live import live_curve
from .transition_widgets import TRANSITION_WIDGETS
from .widgets import HOW_IT_PROTECTS, TRACE_TOOLTIP, UNIQUE_ID


class BasinEscapeModelPatch:
    @classmethod
    def INPUT_TYPES(cls):
        model = ("MODEL", {"tooltip": "The model to protect."})
        return {"required": {"model": model, **TRANSITION_WIDGETS}, "hidden": UNIQUE_ID}

    RETURN_TYPES = ("MODEL", "GUIDANCE_TRACE")
    RETURN_NAMES = ("model", "trace")
    OUTPUT_TOOLTIPS = ("The patched model, for any sampler node.", TRACE_TOOLTIP)
    FUNCTION = "patch"
    CATEGORY = "basin escape"
    DESCRIPTION = (
        "Keeps a model from reproducing its training images, under any sampler node. "
        + HOW_IT_PROTECTS
        + " It may stand anywhere among the nodes that change the model. Before a transition it follows the negative "
        "prompt: leave that empty, or take the guider or the sampler node with `unconditional`."
    )
    SEARCH_ALIASES = [
        "memorization",
        "overfit",
        "overfitting",
        "copyright",
        "plagiarism",
        "training image",
        "training data",
        "diversity",
        "duplicate",
        "copy",
        "orthogonal guidance",
        "zero guidance",
        "opposite guidance",
        "cfg delay",
        "attraction basin",
    ]

    def patch(self, model, unique_id=None, **widgets):
        trace = GuidanceTrace(listener=live_curve(unique_id), goes_on=True)
        return patch_model(model, Settings(**widgets), trace), trace


NODES = {"BasinEscapeModelPatch": ("Basin Escape (model patch)", BasinEscapeModelPatch)}
