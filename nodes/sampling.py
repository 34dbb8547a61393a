"""What the nodes that sample have in common."""

import comfy.model_management
import comfy.sample
import comfy.samplers
import comfy.utils
import torch

try:
    import latent_preview
except ModuleNotFoundError:  # the sampling library alone, without the ComfyUI server
    latent_preview = None

from ..samplers.host.guider import BasinEscapeCFGGuider
from ..samplers.settings import Settings
from ..samplers.trace import GuidanceTrace
from .checks import check_cfg, check_conditioning

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


def schedule(model, steps, sampler_name, scheduler, denoise=1.0):
    """The noise levels that KSampler runs through."""
    return comfy.samplers.KSampler(model, steps, model.load_device, sampler_name, scheduler, denoise).sigmas


def sample_latent(guider, sampler_name, sigmas, latent_image, seed, callback=None):
    """What KSampler makes of a LATENT, under this guider: a LATENT."""
    samples = fitting_samples(guider.model_patcher, latent_image)
    noise = comfy.sample.prepare_noise(samples, seed, latent_image.get("batch_index"))
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
    kept = {key: value for key, value in latent_image.items() if key not in EMPTY_LATENT_KEYS}
    return {**kept, "samples": to_intermediate(samples)}


def starts(latent_image, number):
    """A LATENT of `number` times the same image, whose noises are those of a batch from its first image on."""
    batch = {key: value for key, value in latent_image.items() if key != "batch_index"}
    return {**batch, "samples": latent_image["samples"][[0] * number]}


def beginning(model, latent_image, seed):
    """A LATENT in the model's size, and the start noise that KSampler puts on it [batch, ...].

    Raises ValueError for a latent with sound, whose parts are several tensors.
    """
    samples = latent_image["samples"]
    if not isinstance(samples, torch.Tensor) or getattr(samples, "is_nested", False):
        raise ValueError(
            "latent_image holds several latents in one (video with sound): choose one that is a single tensor."
        )
    samples = fitting_samples(model, latent_image)
    kept = {key: value for key, value in latent_image.items() if key not in EMPTY_LATENT_KEYS}
    return {**kept, "samples": samples}, comfy.sample.prepare_noise(samples, seed, latent_image.get("batch_index"))


def to_intermediate(samples):
    """Where, and in which precision on newer hosts, nodes hand latents on."""
    management = comfy.model_management
    dtype = management.intermediate_dtype() if hasattr(management, "intermediate_dtype") else samples.dtype
    return samples.to(management.intermediate_device(), dtype)


def fitting_samples(model, latent_image):
    """The latent's samples; an empty one with the channels and the scale that the model works in."""
    scale = {key: latent_image[key] for key in EMPTY_LATENT_KEYS if key in latent_image}
    return comfy.sample.fix_empty_latent_channels(model, latent_image["samples"], **scale)


def build_guider(
    model, positive, negative, cfg, settings: Settings, listener=None, skip_unused_pass=False, unconditional=None
) -> BasinEscapeCFGGuider:
    """A guider with its own trace. Raises ValueError naming the widget or socket that is wrong."""
    check_cfg(cfg)
    check_conditioning(positive=positive, negative=negative)
    if unconditional is not None:
        check_conditioning(unconditional=unconditional)
    guider = BasinEscapeCFGGuider(model, settings, GuidanceTrace(listener=listener), skip_unused_pass)
    guider.set_conds(positive, negative, unconditional)
    guider.set_cfg(cfg)
    return guider
