"""The learned variant's denoiser: ComfyUI's own UNet, small, with cross-attention to the prompt."""

from comfy.ldm.modules.diffusionmodules.openaimodel import UNetModel
from torch import Tensor
from torch.nn.functional import pixel_shuffle, pixel_unshuffle

from .prompt_encoder import WIDTH

PATCH = 2
CONFIG = {
    "image_size": 8,
    "in_channels": 12,
    "out_channels": 12,
    "model_channels": 64,  # fewer would make the 32 groups of ComfyUI's GroupNorm single channels
    "channel_mult": [1, 1],
    "num_res_blocks": [1, 1],
    "transformer_depth": [0, 1],  # attention at 4x4 only: at 8x8 it would double the time
    "transformer_depth_middle": 1,
    "transformer_depth_output": [0, 0, 1, 1],
    "use_spatial_transformer": True,
    "context_dim": WIDTH,
    "num_heads": 4,
    "legacy": False,
}


class Network(UNetModel):
    """The UNet on patches of 2x2 pixels: [batch, 3, 16, 16] outside, so that latents are the closed form's, [batch, 12,
    8, 8] inside. Predicts the velocity."""

    def _forward(self, x: Tensor, timesteps=None, context=None, *args, **kwargs) -> Tensor:
        """Inside of what wraps the host's model (step caches): they see latents as everybody does."""
        return pixel_shuffle(super()._forward(pixel_unshuffle(x, PATCH), timesteps, context, *args, **kwargs), PATCH)

    if not hasattr(UNetModel, "_forward"):  # ComfyUI before December 2024, which has no wrappers

        def forward(self, x: Tensor, timesteps=None, context=None, **kwargs) -> Tensor:
            return pixel_shuffle(super().forward(pixel_unshuffle(x, PATCH), timesteps, context, **kwargs), PATCH)
