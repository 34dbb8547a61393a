"""The testbed as ComfyUI's MODEL, CLIP and VAE, for stock nodes."""

import logging
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import torch
from comfy import latent_formats, model_management, supported_models_base
from comfy.model_base import BaseModel, ModelType
from comfy.model_patcher import ModelPatcher
from torch import Tensor

from .captions import COLOURS, SHAPES, TITLES, WORDS, words
from .denoiser import SCALE, ExactDenoiser
from .distribution import Pictures
from .drawing import SIZE
from .prior import log_prior

UPSCALE = 8
MODEL_TYPES = {"eps": ModelType.EPS, "v": ModelType.V_PREDICTION, "flow": ModelType.FLOW}


class TestbedLatent(latent_formats.LatentFormat):
    latent_channels = 3
    scale_factor = SCALE
    latent_rgb_factors = [[1 / SCALE, 0, 0], [0, 1 / SCALE, 0], [0, 0, 1 / SCALE]]  # for previews
    latent_rgb_factors_bias = [0.0, 0.0, 0.0]


class TestbedModel(BaseModel):
    def extra_conds(self, **kwargs):
        """What the host asks of every conditioning before it samples: the place to look at the latent's size."""
        size = tuple(kwargs["noise"].shape[1:])
        if size != (TestbedLatent.latent_channels, SIZE, SIZE):
            raise ValueError(
                f"latent_image has the size {'x'.join(map(str, size))}, but the memorization testbed makes 128x128 "
                "pictures only (a latent of 3x16x16): set Empty Latent Image to width 128 and height 128."
            )
        return super().extra_conds(**kwargs)


class TestbedConfig(supported_models_base.BASE):
    unet_config = {"disable_unet_model_creation": False}
    unet_extra_config = {}
    latent_format = TestbedLatent
    sampling_settings = {}


def load_model(pictures: Pictures, variant: str, prior: Callable[[Tensor], Tensor] = log_prior) -> ModelPatcher:
    """The exact denoiser as a MODEL: SD 1.5's noise schedule for eps and v, rectified flow for flow."""

    build: Any = lambda **config: ExactDenoiser(pictures.means, variant, prior)  # noqa: E731
    model = TestbedModel(TestbedConfig({}), MODEL_TYPES[variant], unet_model=build)
    return ModelPatcher(
        model,
        load_device=model_management.get_torch_device(),
        offload_device=model_management.unet_offload_device(),
    )


class TestbedCLIP:
    """Words to vectors, with the methods that text encode nodes call.

    embed  a prompt's tokens -> [1, tokens, dim]; here its words
    """

    def __init__(self, embed: Callable[[Any], Tensor]):
        self.embed = embed
        vocabulary = {index: f"{word}</w>" for index, word in enumerate(WORDS)}
        self.tokenizer = SimpleNamespace(words=SimpleNamespace(inv_vocab=vocabulary))  # for nodes that look for words
        self.told: set[str] = set()  # unknown words that have been said

    def tokenize(self, text: str, return_word_ids: bool = False, **kwargs) -> Any:
        found = words(text)
        unknown = {word for word in found if word not in WORDS} - self.told
        if unknown:
            self.told |= unknown
            logging.warning(
                "Basin Escape: the memorization testbed does not know %s, which say nothing to it. It knows titles (%s "
                "and others), colours (%s) and shapes (%s).",
                *map(", ".join, (sorted(unknown), TITLES[:2], COLOURS, SHAPES)),
            )
        return found

    def encode_from_tokens(self, tokens: Any, return_pooled: bool = False, return_dict: bool = False):
        cond = self.embed(tokens)
        pooled = torch.zeros(1, cond.shape[-1])
        if return_dict:
            return {"cond": cond, "pooled_output": pooled}
        return (cond, pooled) if return_pooled else cond

    def encode_from_tokens_scheduled(self, tokens: Any, *args, add_dict: dict | None = None, **kwargs):
        cond, pooled = self.encode_from_tokens(tokens, return_pooled=True)
        return [[cond, {"pooled_output": pooled, **(add_dict or {})}]]


class TestbedVAE:
    """Latents are pixels: decoding makes every pixel 8x8, encoding takes the mean of every 8x8."""

    def decode(self, samples: Tensor) -> Tensor:
        """[batch, 3, h, w] in [-1, 1] -> images [batch, 8h, 8w, 3] in [0, 1]."""
        pixels = torch.nn.functional.interpolate(samples.float(), scale_factor=UPSCALE, mode="nearest")
        return (pixels / 2 + 0.5).clamp(0, 1).movedim(1, -1)

    def encode(self, pixels: Tensor) -> Tensor:
        """Images [batch, 8h, 8w, channels] in [0, 1] -> [batch, 3, h, w] in [-1, 1]."""
        samples = pixels[..., :3].movedim(-1, 1).float() * 2 - 1
        return torch.nn.functional.avg_pool2d(samples, UPSCALE)
