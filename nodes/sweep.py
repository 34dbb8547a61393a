import inspect

import comfy.sample
import comfy.samplers
import torch

from ..samplers.sweep import side_by_side, spread
from ..samplers.sweep_guider import SweepGuider
from ..samplers.trace import GuidanceTrace
from .guider import build_guider
from .inputs import CFG, PROMPTS, SEED, TRANSITION_WIDGETS, UNCONDITIONAL, check_fixed_steps, check_single
from .ksampler import EMPTY_LATENT_KEYS, fitting_samples, preview_callback, sample_latent, sampler_widgets

POINTS_AT_ONCE = 8


class TransitionSweep:
    @classmethod
    def INPUT_TYPES(cls):
        latent = "One latent image: the start of every point."
        steps = {"default": 50, "min": 1, "max": 10000, "tooltip": "Number of steps. The paper used 50."}
        points = {
            "default": 8,
            "min": 2,
            "max": 64,
            "tooltip": "Number of transition points, at equal distances: one picture each. Points share the model "
            "calls before their transitions, 8 at a time: 8 points cost about as much as 5 pictures of KSampler.",
        }
        percent = {"min": 0.0, "max": 1.0, "step": 0.001}
        first = "The earliest transition point, as a share of sampling: 0.1 is the paper's t = 900. 0 is plain CFG."
        last = "The latest transition point: 0.8 is t = 200. 1 is no guidance at all."
        return {
            "required": {
                "model": ("MODEL", {"tooltip": "The model used for denoising."}),
                **PROMPTS,
                "latent_image": ("LATENT", {"tooltip": latent}),
                **SEED,
                "steps": ("INT", steps),
                **CFG,
                **sampler_widgets(),
                **{name: TRANSITION_WIDGETS[name] for name in ("before_transition", "opposite_scale")},
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
    SEARCH_ALIASES = ["transition point", "static transition", "grid", "memorization", "attraction basin", "xy plot"]

    def sweep(
        self,
        model,
        latent_image,
        seed,
        steps,
        sampler_name,
        scheduler,
        points,
        first_percent,
        last_percent,
        unconditional=None,
        **guidance,
    ):
        check_single(latent_image)
        check_fixed_steps(sampler_name)
        percents = spread(points, first_percent, last_percent)
        at_once = points_at_once(sampler_name)
        parts = [percents[first : first + at_once] for first in range(0, points, at_once)]
        sigmas = comfy.samplers.KSampler(model, steps, model.load_device, sampler_name, scheduler).sigmas
        start = fitting_samples(model, latent_image)
        callback, samples, runs = preview_callback(model, steps * len(parts)), [], []
        for done, part in enumerate(parts):
            guidance |= {"transition": "static", "static_percent": part}
            guider = build_guider(model, unconditional=unconditional, kind=SweepGuider, **guidance)
            # Anew for every part, as for every KSampler: older hosts draw the noise of a step after it.
            noise = comfy.sample.prepare_noise(start, seed, latent_image.get("batch_index"))
            same = [0] * len(part)
            progress = callback and following(callback, steps * done, steps * len(parts))
            samples.append(
                sample_latent(guider, sampler_name, sigmas, noise[same], start[same], latent_image, seed, progress)
            )
            runs += guider.trace.runs
        latent = {key: value for key, value in latent_image.items() if key not in (*EMPTY_LATENT_KEYS, "batch_index")}
        trace = GuidanceTrace([side_by_side(runs)] if runs else [])
        return {**latent, "samples": torch.cat(samples)}, trace, [label(percent) for percent in percents]


def label(percent):
    return f"t = {1000 * (1 - percent):.0f} (static_percent {percent:.3f})"


def points_at_once(sampler_name):
    """How many points make a batch: one where a sampler draws noise in its steps, which differs within a batch."""
    function = comfy.samplers.sampler_object(sampler_name).sampler_function
    return 1 if "noise_sampler" in inspect.signature(function).parameters else POINTS_AT_ONCE


def following(callback, done, total):
    """A sampler's callback for a part of the work: `done` steps of `total` are behind it."""
    return lambda step, denoised, x, steps: callback(done + step, denoised, x, total)
