"""AMG as a ComfyUI guider: each prediction is decoded and compared, and captions of what is near are predicted."""

from collections.abc import Callable, Sequence
from typing import Any

import comfy.model_management
import comfy.samplers
import torch
from torch import Tensor

from ..amg import HIGHEST, away, begins, nearest, repulsion, scales
from ..guidance import per_sample, select
from ..schedule import TimestepScale
from .before_run import near, noising
from .gradients import value_and_gradient
from .passes import stock_and_pair
from .patch import unpatched


class AMGCFGGuider(comfy.samplers.CFGGuider):
    """CFGGuider that follows samplers/amg.py; a sample that is near to no picture is bit for bit stock.

    describe    picture [height, width, 3] -> vector [elements] of length 1; with gradients, unless repel is 0
    references  [pictures, elements]
    conds       of the captions, one for each picture, None where it has none; set by set_conds
    `t` and `noise` exist while sampling only.
    """

    def __init__(
        self,
        model_patcher: Any,
        decode: Callable[[Tensor], Tensor],
        describe: Callable[[Tensor], Tensor],
        references: Tensor,
        similar: float,
        despecify: float,
        repel: float,
    ):
        super().__init__(unpatched(model_patcher))
        self.decode, self.describe, self.references = decode, describe, references
        self.similar, self.despecify, self.repel = similar, despecify, repel

    def set_conds(self, positive: list, negative: list, captions: Sequence[list | None] = ()) -> None:
        """Conditionings as nodes hand them over; `captions` of the pictures, in their order."""
        self.captions = [None if cond is None else f"caption {place}" for place, cond in enumerate(captions)]
        named = {name: cond for name, cond in zip(self.captions, captions, strict=True) if name is not None}
        self.inner_set_conds({"positive": positive, "negative": negative, **named})

    def sample(self, *args, **kwargs):
        model_sampling = near(self.model_patcher.get_model_object("model_sampling"))
        self.t, self.noise = TimestepScale(model_sampling.percent_to_sigma), noising(model_sampling)
        try:
            return super().sample(*args, **kwargs)
        finally:
            del self.t, self.noise

    def predict_noise(self, x, timestep, model_options={}, seed=None):
        stock, pair = stock_and_pair(self, x, timestep, model_options, seed)
        return stock if pair is None else self._away(stock, *pair, x, timestep, model_options)

    def _away(self, stock: Tensor, cond: Tensor, uncond: Tensor, x: Tensor, timestep: Tensor, options: dict) -> Tensor:
        sigma = timestep[0].item()
        t = self.t(sigma)
        clean, noise = self.noise(sigma)
        ratio = min(noise / max(clean, 1e-6), HIGHEST)
        similarity, places, gradient = self._compared(stock, begins(t, self.similar))
        close = similarity > begins(t, self.similar)
        if not close.any():
            return stock
        s1, s2 = scales(similarity, self.cfg, self.despecify, self.similar)
        led = away(stock, cond, uncond, s1) - self._captioned(uncond, s2, places, close, x, timestep, options)
        if gradient is not None:
            strength = repulsion(similarity, t, ratio, self.repel, self.similar)
            led = led - (per_sample(strength, led) * gradient.to(led.device)).to(led.dtype)
        return select(close, led.to(stock.dtype), stock)

    def _compared(self, denoised: Tensor, enough: float) -> tuple[Tensor, Tensor, Tensor | None]:
        """Similarity and nearest picture of each sample, [batch]; the gradient where it is asked for and one is near.

        Pictures are decoded and described one by one: none depends on the others of a batch.
        """
        found: list[Tensor] = []

        def similarity(prediction: Tensor) -> Tensor:
            latents = self.inner_model.process_latent_out(prediction).split(1)
            vectors = torch.stack([self.describe(self.decode(latent)[0]) for latent in latents])
            values, places = nearest(vectors, self.references.to(vectors.device))
            found[:] = [places]
            return values

        values, gradient = similarity(denoised.float()), None
        if self.repel and (values > enough).any():
            # The decoder is on its device by now: moved there among gradients, its weights would be spoilt.
            _, gradient = value_and_gradient(similarity, denoised)
        # Decoding may have moved the model from its device.
        comfy.model_management.load_models_gpu([self.model_patcher])
        return values.cpu(), found[0].cpu(), gradient

    def _captioned(
        self, uncond: Tensor, s2: Tensor, places: Tensor, close: Tensor, x: Tensor, timestep: Tensor, options: dict
    ) -> Tensor | float:
        """s2 (D_y - D_u) of each sample that is close to a picture with a caption; one prediction for each caption."""
        total: Tensor | float = 0.0
        for place in places[close].unique().tolist():
            name = self.captions[place] if self.captions else None
            if name is not None:
                conds = [self.conds[name], None]
                found = comfy.samplers.calc_cond_batch(self.inner_model, conds, x, timestep, options)[0]
                mine = torch.where(places == place, s2, 0.0)
                total = total + per_sample(mine, found) * (found - uncond)
        return total
