import torch

from ..samplers.host.patch import unpatched
from ..samplers.settings import CONDITIONAL, OPPOSITE, STATIC, ZERO, Settings
from ..samplers.sweep import side_by_side, spread
from ..samplers.trace import GuidanceTrace
from .checks import check_fixed_steps, check_single
from .sampling import build_guider, preview_callback, sample_latent, sampler_widgets, schedule
from .transition_widgets import TRANSITION_WIDGETS, before_transition
from .widgets import CFG, PROMPTS, SEED, UNCONDITIONAL

BEFORE = (ZERO, OPPOSITE, CONDITIONAL)  # of the paper: what a transition point is looked for under


class TransitionSweep:
    @classmethod
    def INPUT_TYPES(cls):
        model = "The model used for denoising. A Basin Escape patch on it is set aside."
        latent = "One latent image: the start of every point."
        steps = {"default": 50, "min": 1, "max": 10000, "tooltip": "Number of steps. The paper used 50."}
        points = {
            "default": 8,
            "min": 2,
            "max": 64,
            "tooltip": "Number of transition points, at equal distances: one picture each, which costs what "
            "a picture of KSampler costs.",
        }
        percent = {"min": 0.0, "max": 1.0, "step": 0.001}
        first = "The earliest transition point, as a share of sampling: 0.1 is the paper's t = 900. 0 is plain CFG."
        last = "The latest transition point: 0.8 is t = 200. 1 is no guidance at all."
        return {
            "required": {
                "model": ("MODEL", {"tooltip": model}),
                **PROMPTS,
                "latent_image": ("LATENT", {"tooltip": latent}),
                **SEED,
                "steps": ("INT", steps),
                **CFG,
                **sampler_widgets(),
                "before_transition": before_transition(BEFORE, ZERO),
                "opposite_scale": TRANSITION_WIDGETS["opposite_scale"],
                "points": ("INT", points),
                "first_percent": ("FLOAT", {"default": 0.1, "tooltip": first, **percent}),
                "last_percent": ("FLOAT", {"default": 0.8, "tooltip": last, **percent}),
            },
            "optional": UNCONDITIONAL,
        }

    RETURN_TYPES = ("LATENT", "GUIDANCE_TRACE", "STRING")
    RETURN_NAMES = ("latents", "trace", "labels")
    OUTPUT_IS_LIST = (False, False, True)
    OUTPUT_TOOLTIPS = (
        "One latent for each transition point, from the earliest to the latest, as a batch.",
        "The guidance norms, one curve for each point. Connect it to Plot Guidance Norm, and the decoded pictures to "
        "its `images`, to see every picture below its point.",
        "The transition point of each picture in words, as a list.",
    )
    FUNCTION = "sweep"
    CATEGORY = "basin escape"
    DESCRIPTION = (
        "Tries static transition points from one start noise: a picture for each (the paper's Figures 2, 4 and 5). "
        "Early points give the memorized picture, late ones an unguided picture; in between lies the point after "
        "which the model no longer copies."
    )
    SEARCH_ALIASES = ["transition point", "static transition", "grid", "attraction basin", "xy plot"]

    def sweep(
        self,
        model,
        positive,
        negative,
        latent_image,
        seed,
        steps,
        cfg,
        sampler_name,
        scheduler,
        before_transition,
        opposite_scale,
        points,
        first_percent,
        last_percent,
        unconditional=None,
    ):
        check_single(latent_image)
        check_fixed_steps(sampler_name)
        percents, model = spread(points, first_percent, last_percent), unpatched(model)
        sigmas = schedule(model, steps, sampler_name, scheduler)
        callback, latents, runs = preview_callback(model, steps * points), [], []
        for done, percent in enumerate(percents):
            settings = Settings(STATIC, before_transition, opposite_scale, static_percent=percent)
            guider = build_guider(model, positive, negative, cfg, settings, unconditional=unconditional)
            progress = callback and following(callback, steps * done, steps * points)
            latents.append(sample_latent(guider, sampler_name, sigmas, latent_image, seed, progress))
            runs += guider.trace.runs
        latent = {key: value for key, value in latents[0].items() if key != "batch_index"}
        samples = torch.cat([latent["samples"] for latent in latents])
        trace = GuidanceTrace([side_by_side(runs)] if runs else [])
        return {**latent, "samples": samples}, trace, [label(percent) for percent in percents]


def label(percent):
    return f"t = {1000 * (1 - percent):.0f} (static_percent {percent:.3f})"


def following(callback, done, total):
    """A sampler's callback for a part of the work: `done` steps of `total` are behind it."""
    return lambda step, denoised, x, steps: callback(done + step, denoised, x, total)


NODES = {"TransitionSweep": ("Transition Sweep", TransitionSweep)}
