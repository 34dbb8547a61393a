from ..plots.curve import CURVES, PULL, THEMES, X_AXES, draw_runs, picture
from ..samplers.settings import ESCAPE
from .checks import check_runs
from .preview import preview
from .widgets import SAMPLES, TRACE


class GuidanceNormPlot:
    @classmethod
    def INPUT_TYPES(cls):
        quantity = (
            "guidance norm: the curve that decides the transition. conditional and unconditional norms: the two "
            "predictions on their own (the paper's Figure 3). guidance scale: what was applied in every step. "
            "pull: how far the prompt pulls towards what it showed in the first step, which decides an escape and is "
            "recorded with transition escape only."
        )
        x_axis = "timestep: 1000 (noise) to 0 (image), as in the paper. step: counted from 0. sigma: the noise level."
        run = "last: the newest run. all: the earlier ones of this trace (fifteen at most) in grey behind it."
        images = (
            "The decoded pictures of Transition Sweep, each to be drawn below its transition (the paper's Figure 2). "
            "Give the plot more width and height."
        )
        size = {"min": 256, "max": 4096, "step": 8}
        return {
            "required": {
                **TRACE,
                "quantity": (list(CURVES), {"tooltip": quantity}),
                "x_axis": (list(X_AXES), {"tooltip": x_axis}),
                "run": (["last", "all"], {"tooltip": run}),
                "width": ("INT", {"default": 768, "tooltip": "Width of the picture in pixels.", **size}),
                "height": ("INT", {"default": 512, "tooltip": "Height of the picture in pixels.", **size}),
                "theme": (list(THEMES), {"tooltip": "light: on white. dark: on dark grey."}),
            },
            "optional": {**SAMPLES, "images": ("IMAGE", {"tooltip": images})},
        }

    RETURN_TYPES = ("IMAGE",)
    RETURN_NAMES = ("plot",)
    OUTPUT_TOOLTIPS = ("The picture that the node shows, for Save Image.",)
    OUTPUT_NODE = True
    FUNCTION = "plot"
    CATEGORY = "basin escape"
    DESCRIPTION = (
        "Draws how strongly the prompt pulled in every step: one curve per image, a dot where CFG began, the steps "
        "before it shaded. RMS on the left (the unit of memorization_threshold), L2 on the right (the paper's)."
    )
    SEARCH_ALIASES = ["guidance norm", "curve", "memorization", "transition point"]

    def plot(self, trace, quantity, x_axis, run, width, height, theme, samples=None, images=None):
        check_runs(trace)
        runs = trace.runs if run == "all" else trace.runs[-1:]
        check_pull(runs[-1], quantity)
        image = picture(draw_runs(runs, quantity, x_axis, width, height, theme, images))
        return {"ui": preview(image), "result": (image,)}


def check_pull(run, quantity):
    """Raise ValueError for the pull of a run in which nobody needed it."""
    if quantity == PULL and run.settings.transition != ESCAPE:
        raise ValueError(
            f"quantity is pull, but the run had transition {run.settings.transition}: the pull is recorded with "
            "transition escape only. Set transition to escape on the node that the trace comes from, or choose another "
            "quantity."
        )


NODES = {"GuidanceNormPlot": ("Plot Guidance Norm", GuidanceNormPlot)}
