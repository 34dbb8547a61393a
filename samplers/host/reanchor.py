"""Re-anchored guidance as a ComfyUI guider: it runs the alternatives' predictions where they are needed."""

from typing import Any

import comfy.samplers
from torch import Tensor

from ..guidance import select
from ..reanchored_guidance import Reanchoring, Search, magnitude
from .passes import stock_and_pair
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
        stock, pair = stock_and_pair(self, x, timestep, model_options, seed)
        if pair is None:
            return stock
        predicted = self._searched(*pair, x, timestep, model_options)
        return self._reanchored(stock, *pair, predicted, x, timestep, model_options)

    def _predict(self, number: int, x: Tensor, timestep: Tensor, model_options: dict) -> Tensor:
        conds = [self.conds[self.names[number]], None]
        return comfy.samplers.calc_cond_batch(self.inner_model, conds, x, timestep, model_options)[0]

    def _searched(
        self, original: Tensor, uncond: Tensor, x: Tensor, timestep: Tensor, model_options: dict
    ) -> dict[int, Tensor]:
        """The predictions that the search of the first call has made."""
        predicted: dict[int, Tensor] = {}
        if self.search is not None:
            return predicted
        self.search = Search(self.rule.search_below, magnitude(original, uncond, timestep))
        for number in range(len(self.names)):
            if not self.search.needed.any():
                break
            predicted[number] = self._predict(number, x, timestep, model_options)
            self.search.show(magnitude(predicted[number], uncond, timestep))
        return predicted

    def _reanchored(
        self,
        stock: Tensor,
        original: Tensor,
        uncond: Tensor,
        predicted: dict,
        x: Tensor,
        timestep: Tensor,
        options: dict,
    ) -> Tensor:
        """Each sample by its own alternative; one prediction for every alternative that some sample takes."""
        assert self.search is not None
        for number in self.search.chosen.unique().tolist():
            if number < 0:
                continue
            found = predicted[number] if number in predicted else self._predict(number, x, timestep, options)
            m = magnitude(found, uncond, timestep)
            led = self.rule(original, found, uncond, m, self.cfg)
            stock = select(self.search.chosen == number, led, stock)
        return stock
