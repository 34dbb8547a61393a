"""A checkpoint of Stable Diffusion 1.x with random weights, as small as ComfyUI still takes for one."""

from pathlib import Path

import comfy.clip_model
import comfy.model_base
import comfy.ops
import comfy.supported_models
import torch
from basin_escape.tests.support.unets import COMMON
from comfy.ldm.models.autoencoder import AutoencoderKL
from safetensors.torch import save_file

UNET = {**COMMON, "model_channels": 320, "context_dim": 768, "use_linear_in_transformer": False}
DECODER = {
    "double_z": True,
    "z_channels": 4,
    "resolution": 256,
    "in_channels": 3,
    "out_ch": 3,
    "ch": 128,
    "ch_mult": [1, 2, 4, 4],
    "num_res_blocks": 2,
    "attn_resolutions": [],
    "dropout": 0.0,
}
TEXT = {
    "num_hidden_layers": 12,
    "hidden_size": 768,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "hidden_act": "quick_gelu",
    "max_position_embeddings": 77,
    "eos_token_id": 49407,
}
LEFT_OUT = "text_projection.weight"  # a checkpoint has none


def save_sd15(path: Path) -> None:
    """Text encoder and decoder have their own size, the UNet two levels of one block each."""
    config = comfy.supported_models.SD15(UNET)
    unet = comfy.model_base.BaseModel(config, comfy.model_base.ModelType.EPS).diffusion_model
    text = comfy.clip_model.CLIPTextModel(TEXT, torch.float32, "cpu", comfy.ops.disable_weight_init)
    decoder = AutoencoderKL(ddconfig=DECODER, embed_dim=4)
    generator, weights = torch.manual_seed(0), {}
    prefixes = {"model.diffusion_model.": unet, "cond_stage_model.transformer.": text, "first_stage_model.": decoder}
    for prefix, module in prefixes.items():
        for name, weight in module.state_dict().items():
            if name != LEFT_OUT:
                weights[prefix + name] = random_like(weight, name, generator)
    save_file(weights, path)


def random_like(weight: torch.Tensor, name: str, generator: torch.Generator) -> torch.Tensor:
    """float16, of a size at which a network neither dies out nor overflows."""
    values = torch.randn(weight.shape, generator=generator) / max(weight[0].numel() if weight.ndim > 1 else 1, 1) ** 0.5
    return (1 + 0.1 * values if weight.ndim == 1 and name.endswith("weight") else 0.5 * values).half()
