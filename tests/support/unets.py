"""ComfyUI's own UNets in small, with the attention of SD1.x, SD2.x and SDXL and random weights; prompts for them."""

import comfy.model_base
import comfy.model_management
import comfy.model_patcher
import comfy.supported_models
import torch

TOKENS = 77
COMMON = {
    "image_size": 8,
    "in_channels": 4,
    "out_channels": 4,
    "model_channels": 64,
    "channel_mult": [1, 2],
    "num_res_blocks": [1, 1],
    "transformer_depth": [1, 1],
    "transformer_depth_middle": 1,
    "transformer_depth_output": [1, 1, 1, 1],
    "use_spatial_transformer": True,
    "legacy": False,
}
KINDS = {
    "SD1.x": {"context_dim": 24},
    "SD2.x": {"context_dim": 40, "use_linear_in_transformer": True},
    "SDXL": {
        "context_dim": 40,
        "use_linear_in_transformer": True,
        "num_classes": "sequential",
        "adm_in_channels": 2816,
        "transformer_depth": [0, 2],
        "transformer_depth_middle": 2,
        "transformer_depth_output": [0, 0, 2, 2],
    },
}
CLASSES = {"SD1.x": "SD15", "SD2.x": "SD20", "SDXL": "SDXL"}


def load_unet(kind):
    """A MODEL. All weights are random, so that every layer has its part in the result."""
    config = getattr(comfy.supported_models, CLASSES[kind])({**COMMON, **KINDS[kind]})
    base = comfy.model_base.SDXL if kind == "SDXL" else comfy.model_base.BaseModel
    model = base(config, comfy.model_base.ModelType.EPS)
    generator = torch.manual_seed(1)
    for name, weight in model.diffusion_model.named_parameters():
        fan_in = weight[0].numel() if weight.ndim > 1 else 1
        values = torch.randn(weight.shape, generator=generator) / fan_in**0.5
        weight.data = 1 + 0.1 * values if "norm" in name and weight.ndim == 1 else values
    device = comfy.model_management.get_torch_device()
    return comfy.model_patcher.ModelPatcher(model, load_device=device, offload_device=device)


def prompt(kind, seed, blocks=1, **extra):
    """A conditioning as a text encoder makes it: every block of tokens begins alike, the rest is the prompt's."""
    dim = KINDS[kind]["context_dim"]
    begin = torch.randn(dim, generator=torch.manual_seed(0))
    cond = torch.randn(1, blocks * TOKENS, dim, generator=torch.manual_seed(seed))
    cond[:, ::TOKENS] = begin
    return [[cond, {"pooled_output": torch.zeros(1, 1280), **extra}]]
