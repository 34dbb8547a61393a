from ..plots.guidance_schedule import draw_schedule
from ..plots.picture import picture
from ..samplers.guidance_schedule import SHAPES, GuidanceSchedule
from ..samplers.host.scale_in_force import schedule_guidance
from .preview import preview

PLOTTED_CFG = 7.5


class ScheduleGuidance:
    @classmethod
    def INPUT_TYPES(cls):
        shape = (
            "How the scale runs while the image forms, as a multiple of the sampler's cfg whose mean is 1. constant: "
            "the cfg itself, for an interval alone. increasing: from 0 to twice the cfg (Wang et al.'s linear). "
            "decreasing: from twice the cfg to 0 (inverse linear). rising cosine: as increasing, steepest in the "
            "middle (cosine). falling cosine: as decreasing, steepest in the middle (sine). peak mid: 0 at both ends, "
            "twice the cfg in the middle. dip mid: the other way round. Against copies take increasing or rising "
            "cosine, which hold guidance back early."
        )
        scale = {"min": 0.0, "max": 100.0, "step": 0.1}
        percent = {"min": 0.0, "max": 1.0, "step": 0.001}
        at_least = (
            "The scale never falls below this inside the interval. 0 is no limit; Wang et al. used 1, 2 and 4. 4 "
            "already takes the protection of an increasing schedule away."
        )
        start = (
            "Where the interval begins, as a share of sampling: 1 - t/1000. The interval paper's sigma 5.42 for SDXL "
            "is about 0.19. 0: at the start."
        )
        end = (
            "Where the interval ends, as a share of sampling. The interval paper's sigma 0.28 is about 0.93. 1: at the "
            "end."
        )
        outside = (
            "The scale outside the interval. 1 is the prompt's prediction alone (the interval paper), which saves the "
            "negative pass. 0 is the negative prompt's alone: zero guidance, a static transition at start_percent."
        )
        return {
            "required": {
                "model": ("MODEL", {"tooltip": "The model whose guidance scale is to change on the way."}),
                "schedule": (list(SHAPES), {"default": "increasing", "tooltip": shape}),
                "at_least": ("FLOAT", {"default": 0.0, "tooltip": at_least, **scale}),
                "start_percent": ("FLOAT", {"default": 0.0, "tooltip": start, **percent}),
                "end_percent": ("FLOAT", {"default": 1.0, "tooltip": end, **percent}),
                "outside": ("FLOAT", {"default": 1.0, "tooltip": outside, **scale}),
            }
        }

    RETURN_TYPES = ("MODEL", "IMAGE")
    RETURN_NAMES = ("model", "plot")
    OUTPUT_TOOLTIPS = (
        "The patched model, for any sampler node with one cfg.",
        "The picture that the node shows: the schedule for a cfg of 7.5.",
    )
    FUNCTION = "patch"
    CATEGORY = "basin escape/methods"
    DESCRIPTION = (
        "Changes the guidance scale while the image forms: low early against copies, or within an interval (Wang et "
        "al., Kynkaanniemi et al.). No further model call; where the scale is 1, one less. A constant schedule is "
        "plain CFG, bit for bit. May stand beside Basin Escape: the scale then counts from the transition on."
    )
    SEARCH_ALIASES = ["guidance interval", "cfg scheduler", "dynamic cfg", "limited interval guidance", "cfg curve"]

    def patch(self, model, schedule, at_least, start_percent, end_percent, outside):
        chosen = GuidanceSchedule(schedule, at_least, start_percent, end_percent, outside)
        plot = picture(draw_schedule(chosen, PLOTTED_CFG))
        return {"ui": preview(plot), "result": (schedule_guidance(model, chosen), plot)}


NODES = {"ScheduleGuidance": ("Schedule Guidance", ScheduleGuidance)}
