"""The ComfyUI nodes. Their ids and socket names are part of saved workflows and never change."""

from .detect import DetectMemorization
from .estimate import EstimateStaticTransition
from .guider import BasinEscapeGuider
from .ksampler import BasinEscapeKSampler
from .model_patch import BasinEscapeModelPatch
from .plot import GuidanceNormPlot
from .save_trace import SaveGuidanceTrace
from .sweep import TransitionSweep
from .testbed import LoadMemorizationTestbed

NODE_CLASS_MAPPINGS = {
    "BasinEscapeModelPatch": BasinEscapeModelPatch,
    "BasinEscapeGuider": BasinEscapeGuider,
    "BasinEscapeKSampler": BasinEscapeKSampler,
    "GuidanceNormPlot": GuidanceNormPlot,
    "SaveGuidanceTrace": SaveGuidanceTrace,
    "TransitionSweep": TransitionSweep,
    "EstimateStaticTransition": EstimateStaticTransition,
    "DetectMemorization": DetectMemorization,
    "LoadMemorizationTestbed": LoadMemorizationTestbed,
}

NODE_DISPLAY_NAME_MAPPINGS = {
    "BasinEscapeModelPatch": "Basin Escape (model patch)",
    "BasinEscapeGuider": "Basin Escape Guider",
    "BasinEscapeKSampler": "KSampler (Basin Escape)",
    "GuidanceNormPlot": "Plot Guidance Norm",
    "SaveGuidanceTrace": "Save Guidance Trace",
    "TransitionSweep": "Transition Sweep",
    "EstimateStaticTransition": "Estimate Static Transition Point",
    "DetectMemorization": "Detect Memorization",
    "LoadMemorizationTestbed": "Load Memorization Testbed",
}
