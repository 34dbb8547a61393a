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

from .denoiser import SCALE, ExactDenoiser
from .distribution import DEVIATION, Pictures
from .drawing import SIZE
from .prior import log_prior
from .vocabulary import SHAPE_WORDS, Vocabulary

UPSCALE = 8
MODEL_TYPES = {"eps": ModelType.EPS, "v": ModelType.V_PREDICTION, "flow": ModelType.FLOW}


class TestbedLatent(latent_formats.LatentFormat):
    """Pixels times a scale."""

    latent_channels = 3
    latent_rgb_factors_bias = [0.0, 0.0, 0.0]

    def __init__(self, scale: float = SCALE):
        self.scale_factor = scale
        self.latent_rgb_factors = [[1 / scale, 0, 0], [0, 1 / scale, 0], [0, 0, 1 / scale]]  # for previews


class TestbedModel(BaseModel):
    size = SIZE  # of its latents

    def extra_conds(self, **kwargs):
        """What the host asks of every conditioning before it samples: the place to look at the latent's size."""
        found, side = tuple(kwargs["noise"].shape[1:]), UPSCALE * self.size
        if found != (TestbedLatent.latent_channels, self.size, self.size):
            raise ValueError(
                f"latent_image has the size {'x'.join(map(str, found))}, but this variant of the memorization testbed "
                f"makes {side}x{side} pictures only (a latent of 3x{self.size}x{self.size}): set Empty Latent Image to "
                f"width {side} and height {side}."
            )
        return super().extra_conds(**kwargs)


class TestbedConfig(supported_models_base.BASE):
    unet_config = {"disable_unet_model_creation": False}
    unet_extra_config = {}
    latent_format = TestbedLatent
    sampling_settings = {}


def load_model(
    pictures: Pictures,
    variant: str,
    prior: Callable[[Tensor], Tensor] = log_prior,
    deviation: float = DEVIATION,
    scale: float = SCALE,
) -> ModelPatcher:
    """The exact denoiser as a MODEL: SD 1.5's noise schedule for eps and v, rectified flow for flow."""

    build: Any = lambda **config: ExactDenoiser(pictures.means, variant, prior, deviation, scale)  # noqa: E731
    config = TestbedConfig({})
    config.latent_format = TestbedLatent(scale)
    model = TestbedModel(config, MODEL_TYPES[variant], unet_model=build)
    model.size = pictures.means.shape[-1]
    return ModelPatcher(
        model,
        load_device=model_management.get_torch_device(),
        offload_device=model_management.unet_offload_device(),
    )


class TestbedCLIP:
    """Words to vectors, with the methods that text encode nodes call.

    embed       a prompt's tokens -> [1, tokens, dim]; here its words
    vocabulary  what it knows
    tell        gets what there is to say about a prompt's unknown words, "" for a prompt without any
    """

    def __init__(self, embed: Callable[[Any], Tensor], vocabulary: Vocabulary = SHAPE_WORDS):
        self.embed, self.vocabulary = embed, vocabulary
        known = {index: f"{word}</w>" for index, word in enumerate(vocabulary.words)}
        self.tokenizer = SimpleNamespace(words=SimpleNamespace(inv_vocab=known))  # for nodes that look for words
        self.tell: Callable[[str], None] = lambda text: None
        self.told: set[str] = set()  # unknown words that are in the log

    def tokenize(self, text: str, return_word_ids: bool = False, **kwargs) -> Any:
        found = self.vocabulary.read(text)
        unknown = self.vocabulary.unknown(found)
        if not self.told.issuperset(unknown):
            new = [word for word in unknown if word not in self.told]
            logging.warning("Basin Escape: %s", self.vocabulary.says_nothing(new))
            self.told.update(new)
        self.tell(self.vocabulary.says_nothing(unknown) if unknown else "")
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
