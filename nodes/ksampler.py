import comfy.model_management
import comfy.sample
import comfy.samplers
import comfy.utils

try:
    import latent_preview
except ModuleNotFoundError:  # the sampling library alone, without the ComfyUI server
    latent_preview = None

from .guider import build_guider
from .inputs import CFG, PROMPTS, SEED, SKIP_UNUSED_PASS, TRANSITION_WIDGETS, UNCONDITIONAL, UNIQUE_ID


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
        "The guidance norms of this run. Connect it to Plot Guidance Norm or Save Guidance Trace.",
    )
    FUNCTION = "sample"
    CATEGORY = "basin escape"
    DESCRIPTION = (
        "KSampler that keeps a memorized image from being reproduced: guidance acts only after the trajectory has left "
        "the attraction basin (Jain et al.). Takes an empty prompt besides the negative one, and can skip the pass "
        "that a static transition does not use."
    )
    SEARCH_ALIASES = ["memorization", "zero guidance", "opposite guidance", "sampler", "attraction basin"]

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
        guider = build_guider(model, positive, negative, cfg, skip_unused_pass, unconditional, unique_id, **widgets)
        sigmas = comfy.samplers.KSampler(model, steps, model.load_device, sampler_name, scheduler, denoise).sigmas
        samples = fitting_samples(model, latent_image)
        noise = comfy.sample.prepare_noise(samples, seed, latent_image.get("batch_index"))
        callback = preview_callback(model, steps)
        samples = sample_latent(guider, sampler_name, sigmas, noise, samples, latent_image, seed, callback)
        latent = {key: value for key, value in latent_image.items() if key not in EMPTY_LATENT_KEYS}
        return {**latent, "samples": samples}, guider.trace


# What EmptyLatentImage tells of its size, for models with latents of another scale (newer hosts).
EMPTY_LATENT_KEYS = ("downscale_ratio_spacial", "downscale_ratio_temporal")


def sampler_widgets():
    """The host's samplers and schedulers, those of other packs among them."""
    return {
        "sampler_name": (comfy.samplers.KSampler.SAMPLERS, {"tooltip": "The sampling algorithm."}),
        "scheduler": (comfy.samplers.KSampler.SCHEDULERS, {"tooltip": "How the noise levels are spaced."}),
    }


def preview_callback(model, steps):
    """What shows progress and previews of `steps` steps on the node; nothing without a server."""
    return latent_preview.prepare_callback(model, steps) if latent_preview else None


def sample_latent(guider, sampler_name, sigmas, noise, samples, latent_image, seed, callback=None):
    """Sample from `noise` and `samples` under the mask of `latent_image`; the samples as nodes hand them on."""
    samples = guider.sample(
        noise,
        samples,
        comfy.samplers.sampler_object(sampler_name),
        sigmas,
        denoise_mask=latent_image.get("noise_mask"),
        callback=callback,
        disable_pbar=not comfy.utils.PROGRESS_BAR_ENABLED,
        seed=seed,
    )
    return to_intermediate(samples)


def to_intermediate(samples):
    """Where, and in which precision on newer hosts, nodes hand latents on."""
    management = comfy.model_management
    dtype = management.intermediate_dtype() if hasattr(management, "intermediate_dtype") else samples.dtype
    return samples.to(management.intermediate_device(), dtype)


def fitting_samples(model, latent_image):
    """The latent's samples; an empty one with the channels and the scale that the model works in."""
    scale = {key: latent_image[key] for key in EMPTY_LATENT_KEYS if key in latent_image}
    return comfy.sample.fix_empty_latent_channels(model, latent_image["samples"], **scale)
