"""The learned variant as ComfyUI's MODEL and CLIP: a network whose weights lie beside this file."""

from pathlib import Path

import torch
from comfy import model_management
from comfy.model_base import ModelType
from comfy.model_patcher import ModelPatcher
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from .loader import TestbedCLIP, TestbedConfig, TestbedModel
from .network import CONFIG, Network
from .prompt_encoder import PromptEncoder, token_ids

WEIGHTS = Path(__file__).with_name("learned.safetensors")


class LearnedCLIP(TestbedCLIP):
    """Its tokens come as those of ComfyUI's encoders, in blocks: {"words": [[(index, weight), ...], ...]}."""

    def tokenize(self, text: str, return_word_ids: bool = False, **kwargs) -> dict[str, list]:
        rows = token_ids(super().tokenize(text)).tolist()
        return {"words": [[(token, 1.0) for token in row] for row in rows]}

    def encode_from_tokens(self, tokens: dict[str, list], return_pooled: bool = False, return_dict: bool = False):
        ids = torch.tensor([[token for token, *_ in row] for row in tokens["words"]])
        return super().encode_from_tokens(ids, return_pooled, return_dict)


def load_learned(path: Path = WEIGHTS) -> tuple[ModelPatcher, TestbedCLIP]:
    """The network and its text encoder. ValueError if the file is not what training wrote."""
    model = TestbedModel(TestbedConfig(CONFIG), ModelType.V_PREDICTION, unet_model=Network)
    encoder = PromptEncoder()
    try:
        nn.ModuleDict({"network": model.diffusion_model, "encoder": encoder}).load_state_dict(load_file(path))
    except (SafetensorError, RuntimeError, OSError) as error:
        raise ValueError(
            f"The weights of the learned testbed cannot be read: {path} ({error}). Install the pack anew, or restore "
            "this file from it."
        ) from error

    @torch.no_grad()
    def embed(ids: Tensor) -> Tensor:
        return encoder(ids).flatten(0, 1)[None]

    patcher = ModelPatcher(
        model,
        load_device=model_management.get_torch_device(),
        offload_device=model_management.unet_offload_device(),
    )
    return patcher, LearnedCLIP(embed)
