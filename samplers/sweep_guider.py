"""The guider of a sweep: points that wait for their transition have one trajectory, and share its model calls."""

import comfy.samplers
import torch
from torch import Tensor

from .guider import BasinEscapeCFGGuider


class SweepGuider(BasinEscapeCFGGuider):
    """BasinEscapeCFGGuider for a batch of static transitions from one start, with a sampler that draws no noise.

    The model is asked once for all samples that have never been under CFG, whose inputs are the same, and every hook
    of the host sees the whole batch. `parted` [batch], which have been under CFG, exists while sampling only.
    """

    def sample(self, noise, *args, **kwargs):
        self.parted = torch.zeros(len(noise), dtype=torch.bool)
        try:
            return super().sample(noise, *args, **kwargs)
        finally:
            del self.parted

    def predict_noise(self, x, timestep, model_options={}, seed=None):
        denoised = super().predict_noise(x, timestep, model_options, seed)
        assert self.run is not None
        self.parted = self.parted | self.run.on.cpu()
        return denoised

    def _predict_pair(self, negative: list, x: Tensor, timestep: Tensor, model_options: dict, seed) -> Tensor:
        """The host's sampling_function with shared predictions."""
        if "sampler_calc_cond_batch_function" in model_options:  # another node predicts in its own way
            return super()._predict_pair(negative, x, timestep, model_options, seed)
        conds = [self.conds["positive"], negative]
        predictions = self._predict_shared(conds, x, timestep, model_options)
        args = {"conds": conds, "cond_scale": self.cfg, "timestep": timestep, "input": x, "sigma": timestep}
        for pre_cfg in model_options.get("sampler_pre_cfg_function", []):
            hook_args = {**args, "conds_out": predictions, "model": self.inner_model, "model_options": model_options}
            predictions = pre_cfg(hook_args)
        cond, uncond = predictions[:2]
        return comfy.samplers.cfg_function(
            self.inner_model, cond, uncond, self.cfg, x, timestep, model_options, cond=conds[0], uncond=negative
        )

    def _predict_negative(self, conds: list, x: Tensor, timestep: Tensor, model_options: dict) -> Tensor:
        return self._predict_shared([None, conds], x, timestep, model_options)[1]

    def _predict_shared(self, conds: list, x: Tensor, timestep: Tensor, model_options: dict) -> list[Tensor]:
        """The predictions for all samples, [batch, ...] each, from the first that waits and those that do not."""
        first_waiting = self.parted.int().argmin()
        source = torch.where(self.parted, torch.arange(len(x)), first_waiting)
        rows, places = source.unique(return_inverse=True)
        predictions = comfy.samplers.calc_cond_batch(self.inner_model, conds, x[rows], timestep[rows], model_options)
        return [prediction[places] for prediction in predictions]
