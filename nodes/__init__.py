"""The ComfyUI nodes. Their ids and socket names are part of saved workflows and never change."""

from .guider import BasinEscapeGuider
from .ksampler import BasinEscapeKSampler
from .model_patch import BasinEscapeModelPatch
from .plot import GuidanceNormPlot
from .save_trace import SaveGuidanceTrace
from .testbed import LoadMemorizationTestbed

NODE_CLASS_MAPPINGS = {
    "BasinEscapeModelPatch": BasinEscapeModelPatch,
    "BasinEscapeGuider": BasinEscapeGuider,
    "BasinEscapeKSampler": BasinEscapeKSampler,
    "GuidanceNormPlot": GuidanceNormPlot,
    "SaveGuidanceTrace": SaveGuidanceTrace,
    "LoadMemorizationTestbed": LoadMemorizationTestbed,
}

NODE_DISPLAY_NAME_MAPPINGS = {
    "BasinEscapeModelPatch": "Basin Escape (model patch)",
    "BasinEscapeGuider": "Basin Escape Guider",
    "BasinEscapeKSampler": "KSampler (Basin Escape)",
    "GuidanceNormPlot": "Plot Guidance Norm",
    "SaveGuidanceTrace": "Save Guidance Trace",
    "LoadMemorizationTestbed": "Load Memorization Testbed",
}
