"""GUARD as a ComfyUI guider: a third prediction, in one batch with the other two."""

from typing import Any

import comfy.samplers
from torch import Tensor

from ..guard import attenuate_spikes, decayed, progress, repelled
from .attention import Attention, layers, with_edit
from .cfg_hooks import PRE_CFG


class GUARDCFGGuider(comfy.samplers.CFGGuider):
    """CFGGuider that follows samplers/guard.py. ValueError for a model without cross-attention.

    The prompt whose spikes are attenuated has the positive prompt's place in a model call, the prompt itself the third.
    Without repulsion there is no third prediction; without attenuation either it is CFGGuider. `sigmas` exist while
    sampling only.
    """

    prompts = (0, 2)

    def __init__(self, model_patcher: Any, repulsion: float, attenuation: float, threshold: float):
        super().__init__(model_patcher)
        self.repulsion, self.attenuation, self.threshold = repulsion, attenuation, threshold
        self.layers = [layer for layer in layers(model_patcher) if layer[0] != "output"]

    def sample(self, noise, latent_image, sampler, sigmas, *args, **kwargs):
        self.sigmas = sigmas.tolist()
        try:
            return super().sample(noise, latent_image, sampler, sigmas, *args, **kwargs)
        finally:
            del self.sigmas

    def predict_noise(self, x, timestep, model_options={}, seed=None):
        options = model_options
        if self.attenuation != 1:
            options = with_edit(model_options, self.attenuated, self.layers, self.prompts[:1])
        positive, negative = self.conds["positive"], self.conds["negative"]
        if not self.repulsion:
            return comfy.samplers.sampling_function(
                self.inner_model, x, timestep, negative, positive, self.cfg, options, seed
            )
        strength = decayed(self.repulsion, progress(timestep.max().item(), self.sigmas))
        plus, uncond, minus = self.predictions([positive, negative, positive], x, timestep, options)
        followed = repelled(plus, minus, uncond, strength, self.cfg)
        return comfy.samplers.cfg_function(
            self.inner_model, followed, uncond, self.cfg, x, timestep, options, positive, negative
        )

    def predictions(self, conds: list, x: Tensor, timestep: Tensor, options: dict) -> list[Tensor]:
        """Of three conditionings, through every other node's pre-CFG hooks."""
        found = comfy.samplers.calc_cond_batch(self.inner_model, conds, x, timestep, options)
        for hook in options.get(PRE_CFG, []):
            args = {"conds": conds, "conds_out": found, "cond_scale": self.cfg, "timestep": timestep, "input": x}
            found = hook({**args, "sigma": timestep, "model": self.inner_model, "model_options": options})
        return found

    def attenuated(self, call: Attention) -> tuple[Tensor, Tensor]:
        """The edit of the attention: of the rows of the first place."""
        rows = call.prompts.nonzero().flatten()
        if not len(rows):
            return call.k, call.v
        k = attenuate_spikes(call.q[rows], call.k[rows], call.heads, self.threshold, self.attenuation)
        return call.k.index_copy(0, rows.to(k.device), k), call.v
