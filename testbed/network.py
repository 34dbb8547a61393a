"""The learned variant's denoiser: ComfyUI's own UNet, small, with cross-attention to the prompt."""

from comfy.ldm.modules.diffusionmodules.openaimodel import UNetModel
from torch import Tensor
from torch.nn.functional import pixel_shuffle, pixel_unshuffle

from .prompt_encoder import WIDTH

PATCH = 4
CONFIG = {
    "image_size": 4,
    "in_channels": 48,
    "out_channels": 48,
    "model_channels": 96,  # a multiple of the 32 groups of ComfyUI's GroupNorm; 32 would make each group one channel
    "channel_mult": [1],
    "num_res_blocks": [1],
    "transformer_depth": [1],
    "transformer_depth_middle": 1,
    "transformer_depth_output": [0, 0],
    "use_spatial_transformer": True,
    "context_dim": WIDTH,
    "num_heads": 4,
    "legacy": False,
}


class Network(UNetModel):
    """The UNet on patches of 4x4 pixels: [batch, 3, 16, 16] outside, so that latents are the closed form's, [batch, 48,
    4, 4] inside. Predicts the velocity."""

    def forward(self, x: Tensor, timesteps=None, context=None, **kwargs) -> Tensor:
        return pixel_shuffle(super().forward(pixel_unshuffle(x, PATCH), timesteps, context, **kwargs), PATCH)
