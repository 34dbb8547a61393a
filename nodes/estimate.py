import logging

from ..plots.mean_norms import draw_norms
from ..plots.picture import picture
from ..samplers.static_point import static_transition, zero_guidance_norms
from .checks import check_number, check_runs
from .preview import preview
from .widgets import SAMPLES, TRACE


class EstimateStaticTransition:
    @classmethod
    def INPUT_TYPES(cls):
        tolerance = {
            "default": 0.25,
            "min": 0.0,
            "max": 0.9,
            "step": 0.01,
            "tooltip": "How small the mean difference of the conditional and the unconditional norm must be to count "
            "as none, as a share of its peak. Larger: an earlier point. The paper reads it off its plot by eye.",
        }
        return {"required": {**TRACE, "tolerance": ("FLOAT", tolerance)}, "optional": SAMPLES}

    RETURN_TYPES = ("FLOAT", "IMAGE")
    RETURN_NAMES = ("static_percent", "plot")
    OUTPUT_TOOLTIPS = (
        "The static transition point, for `static_percent`. 0 (plain CFG) where there is none; the plot says so.",
        "The picture that the node shows: the mean norms of all images with 95 % confidence bands, and the point.",
    )
    OUTPUT_NODE = True
    FUNCTION = "estimate"
    CATEGORY = "basin escape"
    DESCRIPTION = (
        "Finds the static transition point of a model from runs of many memorized prompts and seeds under zero "
        "guidance to the end: where the mean conditional norm comes down to the unconditional one (the paper's "
        "Figures 3, 10 and 12)."
    )
    SEARCH_ALIASES = ["static transition", "transition point", "static_percent", "attraction basin"]

    def estimate(self, trace, tolerance, samples=None):
        check_runs(trace)
        check_number("tolerance", tolerance, 0.0, 0.9)
        norms = zero_guidance_norms(trace.runs)
        percent = static_transition(norms, tolerance)
        if percent is None:
            logging.warning(
                "Basin Escape: these runs have no static transition point, so static_percent is 0 (plain CFG). Set "
                "transition to dynamic if the prompts are memorized."
            )
        plot = picture(draw_norms(norms, percent, tolerance))
        return {"ui": preview(plot), "result": (0.0 if percent is None else percent, plot)}


NODES = {"EstimateStaticTransition": ("Estimate Static Transition Point", EstimateStaticTransition)}
