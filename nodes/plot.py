from ..plots.curve import draw_runs
from ..plots.picture import THEMES, picture
from ..plots.quantities import CURVES, FIRST_PULL, PULL, X_AXES
from .checks import find_run
from .preview import preview
from .widgets import SAMPLES, TRACE

RECORDED_WITH = {PULL: ("transition", "escape"), FIRST_PULL: ("before_transition", "orthogonal guidance")}


class GuidanceNormPlot:
    @classmethod
    def INPUT_TYPES(cls):
        quantity = (
            "guidance norm: the curve that decides the transition. conditional and unconditional norms: the two "
            "predictions on their own (the paper's Figure 3). guidance scale: what was applied in every step. "
            "pull: how far the prompt pulls towards what it showed in the first step, which decides an escape and is "
            "recorded with transition escape only. first pull: how much of the first step's pull is left (1 to 0), "
            "which orthogonal guidance takes out. image and noise weights: how much of the finished image and of the "
            "start noise each step holds (Kim et al.). deviation scores: how far these are ahead of the schedule, "
            "summed over steps; the ends of the curves are the scores D1 and D2, high for memorized images."
        )
        x_axis = "timestep: 1000 (noise) to 0 (image), as in the paper. step: counted from 0. sigma: the noise level."
        run = (
            "last: the run that made the latent at `samples`, without one the newest. all: the others of this trace "
            "(fifteen at most) in grey behind it."
        )
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
    SEARCH_ALIASES = ["guidance norm", "curve", "memorization plot", "transition point", "first pull"]

    def plot(self, trace, quantity, x_axis, run, width, height, theme, samples=None, images=None):
        chosen, remark = find_run(trace, samples)
        check_recorded(chosen, quantity)
        others = [other for other in trace.runs if other is not chosen and recorded(other, quantity)]
        runs = [*others, chosen] if run == "all" else [chosen]
        image = picture(draw_runs(runs, quantity, x_axis, width, height, theme, images, remark))
        return {"ui": preview(image), "result": (image,)}


def recorded(run, quantity):
    return all(name in run.series for name, _, _ in CURVES[quantity])


def check_recorded(run, quantity):
    """Raise ValueError for a quantity that nobody needed in the run."""
    if not recorded(run, quantity):
        if quantity not in RECORDED_WITH:
            raise ValueError(
                f"quantity is {quantity}, but this run has none: it needs a finished run with one latent of one size, "
                "and a ComfyUI from December 2024 on. Choose another quantity."
            )
        widget, choice = RECORDED_WITH[quantity]
        raise ValueError(
            f"quantity is {quantity}, but the run had {widget} {getattr(run.settings, widget)}: it is recorded with "
            f"{choice} only. Set {widget} to {choice} on the node that the trace comes from, or choose another "
            "quantity."
        )


NODES = {"GuidanceNormPlot": ("Plot Guidance Norm", GuidanceNormPlot)}
