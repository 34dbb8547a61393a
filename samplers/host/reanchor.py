"""Re-anchored guidance as a ComfyUI guider: it runs the alternatives' predictions where they are needed."""

from typing import Any

import comfy.samplers
from comfy.model_patcher import set_model_options_post_cfg_function
from torch import Tensor

from ..guidance import select
from ..reanchored_guidance import Reanchoring, Search, magnitude
from .conditioning import absent
from .patch import unpatched


class ReanchorCFGGuider(comfy.samplers.CFGGuider):
    """CFGGuider that leads from the original prompt (`positive`) to an alternative; `search` exists while sampling
    only.

    The original and the negative prompt run as a pair, as in stock CFG, and go through the hooks of other nodes; so a
    sample without an alternative is bit for bit stock.
    """

    def __init__(self, model_patcher: Any, rule: Reanchoring):
        super().__init__(unpatched(model_patcher))
        self.rule = rule

    def set_conds(self, positive, negative, alternatives):
        """Conditionings as nodes hand them over, and a list of such."""
        self.names = [f"alternative {number}" for number in range(len(alternatives))]
        self.inner_set_conds(
            {"positive": positive, "negative": negative, **dict(zip(self.names, alternatives, strict=True))}
        )

    def sample(self, *args, **kwargs):
        self.search: Search | None = None
        try:
            return super().sample(*args, **kwargs)
        finally:
            del self.search

    def predict_noise(self, x, timestep, model_options={}, seed=None):
        seen: dict[str, Tensor] = {}

        def post_cfg(args: dict) -> Tensor:
            seen.update(original=args["cond_denoised"], uncond=args["uncond_denoised"])
            return args["denoised"]

        options = set_model_options_post_cfg_function(model_options.copy(), post_cfg, disable_cfg1_optimization=True)
        pair = self.conds["negative"], self.conds["positive"]
        stock = comfy.samplers.sampling_function(self.inner_model, x, timestep, *pair, self.cfg, options, seed)
        if any(absent(conds, timestep) for conds in pair):
            return stock
        predicted = self._searched(seen, x, timestep, model_options)
        return self._reanchored(stock, seen, predicted, x, timestep, model_options)

    def _predict(self, number: int, x: Tensor, timestep: Tensor, model_options: dict) -> Tensor:
        conds = [self.conds[self.names[number]], None]
        return comfy.samplers.calc_cond_batch(self.inner_model, conds, x, timestep, model_options)[0]

    def _searched(self, seen: dict, x: Tensor, timestep: Tensor, model_options: dict) -> dict[int, Tensor]:
        """The predictions that the search of the first call has made."""
        predicted: dict[int, Tensor] = {}
        if self.search is not None:
            return predicted
        self.search = Search(self.rule.search_below, magnitude(seen["original"], seen["uncond"], timestep))
        for number in range(len(self.names)):
            if not self.search.needed.any():
                break
            predicted[number] = self._predict(number, x, timestep, model_options)
            self.search.show(magnitude(predicted[number], seen["uncond"], timestep))
        return predicted

    def _reanchored(
        self, stock: Tensor, seen: dict, predicted: dict, x: Tensor, timestep: Tensor, options: dict
    ) -> Tensor:
        """Each sample by its own alternative; one prediction for every alternative that some sample takes."""
        assert self.search is not None
        for number in self.search.chosen.unique().tolist():
            if number < 0:
                continue
            found = predicted[number] if number in predicted else self._predict(number, x, timestep, options)
            m = magnitude(found, seen["uncond"], timestep)
            led = self.rule(seen["original"], found, seen["uncond"], m, self.cfg)
            stock = select(self.search.chosen == number, led, stock)
        return stock
