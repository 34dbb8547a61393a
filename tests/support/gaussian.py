"""A model whose every element is N(mean, DEVIATION^2), of any latent shape: each thing that a graph adds to the
conditioning or to the weights changes the mean by a known amount, and the guidance norm has a closed form."""

import comfy.controlnet
import comfy.latent_formats
import comfy.model_base
import comfy.model_management
import comfy.model_patcher
import comfy.supported_models_base
import torch
from comfy.conds import CONDConstant

try:
    import comfy.hooks
except ImportError:  # ComfyUI before December 2024
    HAS_HOOKS = False
else:
    HAS_HOOKS = True

DEVIATION = 0.5


def denoised(x, sigma, mean):
    """E[x0 | x] for x = x0 + sigma noise."""
    return (DEVIATION**2 * x + sigma**2 * mean) / (DEVIATION**2 + sigma**2)


def guidance_norm(sigma, difference):
    """|D_u - D_c| / sigma of a sample for the difference of the two means, one entry per element."""
    return sigma * difference.norm() / (DEVIATION**2 + sigma**2)


class GaussianDenoiser(torch.nn.Module):
    """The mean is the context's, times a weight (for LoRAs), plus what a ControlNet adds."""

    def __init__(self, dtype):
        super().__init__()
        self.dtype = dtype
        self.gain = torch.nn.Linear(1, 1, bias=False, dtype=dtype)
        torch.nn.init.ones_(self.gain.weight)

    def forward(self, x, timesteps, context, control=None, transformer_options={}, **kwargs):
        if isinstance(x, list):  # audio and video of one sample
            return [self(part, timesteps, context, control, transformer_options) for part in x]
        ones = [1] * (x.ndim - 1)
        sigma = transformer_options["sigmas"].float()
        sigma = sigma.repeat(len(x) // len(sigma)).view(-1, *ones)
        mean = self.gain(context.mean((1, 2))[:, None]).view(-1, *ones)
        for added in (control or {}).get("output", []):
            mean = mean + added
        noisy = x * (1 + sigma**2).sqrt()  # the host hands over x / sqrt(sigma^2 + 1)
        return ((noisy - denoised(noisy, sigma, mean)) / sigma).to(self.dtype)


class GaussianModel(comfy.model_base.BaseModel):
    def extra_conds(self, **kwargs):
        conds = super().extra_conds(**kwargs)
        shapes = kwargs.get("latent_shapes")
        if shapes is not None and len(shapes) > 1:
            conds["latent_shapes"] = CONDConstant(shapes)
        return conds


def load_gaussian(shape, dtype=torch.float32):
    """A MODEL for latents of the given shape (without the batch)."""

    class Latent(comfy.latent_formats.LatentFormat):
        latent_channels, latent_dimensions = shape[0], len(shape) - 1

    class Config(comfy.supported_models_base.BASE):
        unet_config = {"disable_unet_model_creation": False, "dtype": dtype}
        unet_extra_config = {}
        latent_format = Latent
        sampling_settings = {}

    model = GaussianModel(
        Config({}), comfy.model_base.ModelType.EPS, unet_model=lambda **config: GaussianDenoiser(dtype)
    )
    device = comfy.model_management.get_torch_device()
    return comfy.model_patcher.ModelPatcher(model, load_device=device, offload_device=device)


def prompt(mean, **extra):
    """A conditioning as text encoders return it."""
    return [[torch.full((1, 1, 1), float(mean)), dict(extra)]]


class ControlModel(torch.nn.Module):
    """Adds the hint's mean, as a network adds its feature maps."""

    dtype = torch.float32

    def forward(self, x, hint, timesteps, context, **kwargs):
        return {"output": [hint.mean((1, 2, 3)).view(-1, 1, 1, 1) * torch.ones_like(x)]}


def controlnet(hint):
    device = comfy.model_management.get_torch_device()
    control = comfy.controlnet.ControlNet(ControlModel(), load_device=device)
    return control.set_cond_hint(torch.full((1, 3, 64, 64), float(hint)), strength=1.0, timestep_percent_range=(0, 1))


def lora(model, change, strength=1.0):
    """A clone with the weight changed, as a LoRA loader makes it."""
    patched = model.clone()
    assert patched.add_patches({"diffusion_model.gain.weight": ("diff", (torch.full((1, 1), change),))}, strength)
    return patched


def lora_hook(conditioning, change):
    """The conditioning with a LoRA of its own, which the host loads for its predictions alone."""
    hooks = comfy.hooks.create_hook_lora({"diffusion_model.gain.diff": torch.full((1, 1), change)}, 1.0, 1.0)
    return comfy.hooks.set_hooks_for_conditioning(conditioning, hooks)
