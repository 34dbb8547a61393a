from ..samplers.settings import Settings
from .checks import check_number
from .live import live_curve
from .sampling import build_guider, preview_callback, sample_latent, sampler_widgets, schedule
from .transition_widgets import TRANSITION_WIDGETS
from .widgets import (
    CFG,
    HOW_IT_PROTECTS,
    PROMPTS,
    SEED,
    SKIP_UNUSED_PASS,
    UNCONDITIONAL,
    UNIQUE_ID,
)


class BasinEscapeKSampler:
    @classmethod
    def INPUT_TYPES(cls):
        steps = {"default": 20, "min": 1, "max": 10000, "tooltip": "Number of steps. The paper used 50."}
        denoise = {
            "default": 1.0,
            "min": 0.0,
            "max": 1.0,
            "step": 0.01,
            "tooltip": "Share of the schedule that is run. Below 1 the input latent keeps its structure, and less of "
            "the time before the transition is left.",
        }
        return {
            "required": {
                "model": ("MODEL", {"tooltip": "The model used for denoising."}),
                **SEED,
                "steps": ("INT", steps),
                **CFG,
                **sampler_widgets(),
                **PROMPTS,
                "latent_image": ("LATENT", {"tooltip": "The latent image to denoise."}),
                "denoise": ("FLOAT", denoise),
                **TRANSITION_WIDGETS,
                **SKIP_UNUSED_PASS,
            },
            "optional": UNCONDITIONAL,
            "hidden": UNIQUE_ID,
        }

    RETURN_TYPES = ("LATENT", "GUIDANCE_TRACE")
    RETURN_NAMES = ("latent", "trace")
    OUTPUT_TOOLTIPS = (
        "The denoised latent.",
        "The numbers of this run. Connect it to Plot Guidance Norm or Save Guidance Trace.",
    )
    FUNCTION = "sample"
    CATEGORY = "basin escape"
    DESCRIPTION = (
        "KSampler that keeps a model from reproducing its training images. "
        + HOW_IT_PROTECTS
        + " Takes an empty prompt beside the negative one, and can skip a pass that is not used."
    )
    SEARCH_ALIASES = [
        "memorization sampler",
        "training image sampler",
        "orthogonal guidance",
        "zero guidance",
        "opposite guidance",
        "sampler",
        "attraction basin",
    ]

    def sample(
        self,
        model,
        seed,
        steps,
        cfg,
        sampler_name,
        scheduler,
        positive,
        negative,
        latent_image,
        denoise,
        skip_unused_pass,
        unconditional=None,
        unique_id=None,
        **widgets,
    ):
        check_number("denoise", denoise, 0.0, 1.0)
        settings, listener = Settings(**widgets), live_curve(unique_id)
        guider = build_guider(model, positive, negative, cfg, settings, listener, skip_unused_pass, unconditional)
        sigmas, callback = schedule(model, steps, sampler_name, scheduler, denoise), preview_callback(model, steps)
        return sample_latent(guider, sampler_name, sigmas, latent_image, seed, callback), guider.trace


NODES = {"BasinEscapeKSampler": ("KSampler (Basin Escape)", BasinEscapeKSampler)}
