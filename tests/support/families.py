"""A model of each family that ComfyUI knows: its own classes, as small as they allow, with random weights.

Built as ComfyUI builds a checkpoint's, by the family's entry in comfy.supported_models; its tokens are as its text
encoders make them. Where a host does not know a family, the test is skipped.
"""

import dataclasses
import importlib
from typing import Any, NamedTuple

import comfy.ldm.audio.embedders
import comfy.model_management
import comfy.model_patcher
import comfy.supported_models
import pytest
import torch

from .unets import COMMON, KINDS

UNETS = ("SD1.x", "SD2.x v", "SDXL", "SDXL refiner")
WIDTH, POOLED = 24, 16  # of a token, of a pooled prompt


class Kind(NamedTuple):
    """config   the name in comfy.supported_models
    shape    of a latent without its batch; of each part, where there are several
    options  the network's
    width    of a token
    extra    what text encoders give beside the tokens
    state    weights that tell variants apart, or belong to no network
    params   where the host names its network's options, of which it has more from version to version
    """

    config: str
    shape: tuple
    options: dict[str, Any]
    width: int
    extra: dict[str, Any]
    state: dict[str, torch.Tensor]
    params: str


def kind(config, *shape, width=WIDTH, extra=None, state=None, params="", **options):
    return Kind(config, shape, options, width, extra or {}, state or {}, params)


def unet(config, of, **options):
    extra = {"pooled_output": torch.zeros(1, 1280)} if of == "SDXL" else {}
    options = {**COMMON, **KINDS[of], **options}
    return kind(config, 4, 8, 8, width=options["context_dim"], extra=extra, **options)


def numbers(which):
    """The weights of a number's embedding in Stable Audio."""
    weights = comfy.ldm.audio.embedders.NumberConditioner(768, 0, 512).state_dict().items()
    named = {f"conditioner.conditioners.seconds_{which}.{key}": value for key, value in weights}
    return {key: torch.linspace(-1, 1, value.numel()).view_as(value) for key, value in named.items()}


POOL = {"pooled_output": torch.ones(1, POOLED)}
MASK = {"attention_mask": torch.ones(1, 8, dtype=torch.long)}
V_PREDICTION = {"output_blocks.11.1.transformer_blocks.0.norm1.bias": torch.tensor([-1.0, 1.0])}
FLUX: dict[str, Any] = {
    "in_channels": 16,
    "out_channels": 16,
    "context_in_dim": WIDTH,
    "vec_in_dim": POOLED,
    "hidden_size": 64,
    "mlp_ratio": 2.0,
    "num_heads": 2,
    "depth": 1,
    "depth_single_blocks": 1,
    "axes_dim": [8, 12, 12],
    "theta": 10000,
    "patch_size": 2,
    "qkv_bias": True,
    "txt_ids_dims": [],
    "byt5": False,
    "meanflow": False,
    "meanflow_sum": False,
    "use_cond_type_embedding": False,
    "vision_in_dim": None,
}
CHROMA = {"in_channels": 64, "out_channels": 64, "in_dim": 64, "out_dim": 64, "hidden_dim": 64, "n_layers": 1}
SD3_TOKENS = {"target": "torch.nn.Linear", "params": {"in_features": WIDTH, "out_features": 128}}
HEADS = {"attention_head_dim": 32, "num_attention_heads": 2, "num_layers": 1}
LTX = {**HEADS, "in_channels": 128, "cross_attention_dim": 64, "caption_channels": WIDTH}
SOUND = {
    "audio_in_channels": 128,
    "audio_cross_attention_dim": 32,
    "audio_attention_head_dim": 16,
    "audio_num_attention_heads": 2,
    "connector_attention_head_dim": 32,
    "connector_num_attention_heads": 1,
    "connector_num_layers": 1,
}
FAMILIES = {
    "SD1.x": unet("SD15", "SD1.x"),
    "SD2.x v": unet("SD20", "SD2.x")._replace(state=V_PREDICTION),
    "SDXL": unet("SDXL", "SDXL"),
    "SDXL refiner": unet("SDXLRefiner", "SDXL", adm_in_channels=2560),
    "SD3": kind(
        *("SD3", 16, 8, 8),
        extra=POOL,
        input_size=None,
        patch_size=2,
        in_channels=16,
        depth=2,
        adm_in_channels=POOLED,
        pos_embed_max_size=8,
        num_patches=64,
        qk_norm="rms",
        context_size=WIDTH,
        context_embedder_config=SD3_TOKENS,
    ),
    "Flux": kind("Flux", 16, 8, 8, extra=POOL, params="comfy.ldm.flux.model.FluxParams", guidance_embed=True, **FLUX),
    "Chroma": kind("Chroma", 16, 8, 8, extra=POOL, params="comfy.ldm.chroma.model.ChromaParams", **{**FLUX, **CHROMA}),
    "Qwen-Image": kind("QwenImage", 16, 1, 8, 8, joint_attention_dim=WIDTH, axes_dims_rope=(8, 12, 12), **HEADS),
    "HiDream": kind(
        *("HiDream", 16, 8, 8),
        extra={**POOL, "conditioning_llama3": torch.ones(1, 2, 4, WIDTH)},
        patch_size=2,
        in_channels=16,
        num_single_layers=1,
        caption_channels=[WIDTH, WIDTH],
        text_emb_dim=POOLED,
        llama_layers=[0, 1],
        axes_dims_rope=(8, 12, 12),
        max_resolution=(32, 32),
        **HEADS,
    ),
    "LTX": kind("LTXV", 128, 2, 4, 4, extra=MASK, **LTX),
    "LTX with sound": kind("LTXAV", (128, 2, 4, 4), (8, 4, 16), width=2 * WIDTH, extra=MASK, **LTX, **SOUND),
    "Wan": kind(
        *("WAN21_T2V", 16, 2, 4, 4),
        model_type="t2v",
        dim=64,
        ffn_dim=64,
        freq_dim=32,
        text_dim=WIDTH,
        num_heads=2,
        num_layers=1,
        text_len=8,
    ),
    "Hunyuan video": kind(
        *("HunyuanVideo", 16, 2, 4, 4),
        extra=POOL,
        params="comfy.ldm.hunyuan_video.model.HunyuanVideoParams",
        guidance_embed=True,
        **{**FLUX, "patch_size": [1, 2, 2]},
    ),
    "Stable Audio": kind(
        *("StableAudio", 64, 32),
        width=768,
        state={**numbers("start"), **numbers("total")},
        embed_dim=64,
        depth=1,
        num_heads=1,
        cond_token_dim=768,
        project_cond_tokens=True,
    ),
    "ACE-Step": kind(
        *("ACEStep", 8, 16, 8),
        extra={"conditioning_lyrics": torch.arange(1, 9)[None]},
        text_embedding_dim=WIDTH,
        **HEADS,
    ),
}


def known(kind):
    """The options that this host's network has."""
    if not kind.params:
        return kind.options
    module, name = kind.params.rsplit(".", 1)
    names = [one.name for one in dataclasses.fields(getattr(importlib.import_module(module), name))]
    return {key: value for key, value in kind.options.items() if key in names}


def load_family(name, **_):
    """A MODEL. All weights are random, so that every layer has its part in the result."""
    kind = FAMILIES[name]
    if not hasattr(comfy.supported_models, kind.config):
        pytest.skip(f"this host has no {kind.config}")
    config = getattr(comfy.supported_models, kind.config)
    config = config({**config.unet_config, **known(kind)})
    dtype = comfy.model_management.unet_dtype(supported_dtypes=config.supported_inference_dtypes)
    device = comfy.model_management.get_torch_device()
    cast = comfy.model_management.unet_manual_cast(dtype, device, config.supported_inference_dtypes)
    config.set_inference_dtype(dtype, cast)
    model = config.get_model(dict(kind.state), "")
    fill(model.diffusion_model)
    return comfy.model_patcher.ModelPatcher(model, load_device=device, offload_device=device)


def fill(network):
    generator = torch.manual_seed(1)
    for path, weight in network.named_parameters():
        fan_in = weight[0].numel() if weight.ndim > 1 else 1
        values = torch.randn(weight.shape, generator=generator) / fan_in**0.5
        weight.data = (1 + 0.1 * values if "norm" in path and weight.ndim == 1 else values).to(weight.dtype)
    kept = network.state_dict().keys()
    for path, buffer in network.named_buffers():
        if path in kept:  # as a checkpoint's it is empty until it is loaded
            buffer.copy_(torch.linspace(0.01, 1, buffer.numel()).view_as(buffer))


def family_prompt(name, seed, tokens=8):
    """A conditioning as the family's text encoders make it; prompts are alike, so that guidance is moderate."""
    kind = FAMILIES[name]
    shared, own = (torch.randn(1, tokens, kind.width, generator=torch.manual_seed(n)) for n in (0, seed))
    return [[shared + 0.3 * own, dict(kind.extra)]]
