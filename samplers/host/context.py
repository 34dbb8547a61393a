"""The prompt's embedding on its way into the model, changed on the conditional rows of each call.

A wrapper of the model's call finds the rows by what the host says of them, whatever their order, with areas and several
conditionings, and when memory is short and they come one by one. A ComfyUI before December 2024 has no wrappers: there
it takes the one slot for a function around the model, and calls what was in it.
"""

import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ..schedule import TimestepScale
from .before_run import percent_to_sigma
from .uncopied import Uncopied
from .wrappers import WrappersMP

SLOT = "model_function_wrapper"
CONDITIONAL_ROWS = 0  # the host's number of the positive prompt
MOST_COPIES = 4  # of a prompt that the host repeats to the length of another one


def change_context(model: Any, change: Callable[[Tensor, float, float], Tensor], key: str) -> Any:
    """A clone of `model` (a ModelPatcher) in which change(context [batch, tokens, dim], tau, sigma) stands for the
    context of the conditional rows. A call raises ValueError where the model takes none.
    """
    patched = model.clone()
    if WrappersMP is None:
        patched.set_model_unet_function_wrapper(InSlot(change, model, patched.model_options.get(SLOT)))
    else:
        patched.add_wrapper_with_key(WrappersMP.APPLY_MODEL, key, ContextChange(change))
    return patched


def copies_of(context: Tensor) -> int:
    """How often a sequence of tokens [batch, tokens, dim] is repeated: 1 to MOST_COPIES."""
    for copies in range(MOST_COPIES, 1, -1):
        if context.shape[1] % copies == 0:
            first, *others = context.chunk(copies, dim=1)
            if all(torch.equal(first, other) for other in others):
                return copies
    return 1


class ContextChange(Uncopied):
    """The wrapper. What it keeps are the timesteps of models."""

    def __init__(self, change: Callable[[Tensor, float, float], Tensor]):
        self.change = change
        self.timesteps: weakref.WeakKeyDictionary[Any, TimestepScale] = weakref.WeakKeyDictionary()

    def changed(self, context: Tensor | None, sigma: Tensor, kinds: list[int], model_sampling: Any) -> Tensor | None:
        """The context of a call whose chunks of rows are of these kinds."""
        if CONDITIONAL_ROWS not in kinds:
            return context
        if context is None:
            raise ValueError(
                "model takes no prompt as a sequence of tokens, so there is nothing to anneal: take the node out."
            )
        if model_sampling not in self.timesteps:
            self.timesteps[model_sampling] = TimestepScale(percent_to_sigma(model_sampling))
        level = sigma[0].item()
        tau = self.timesteps[model_sampling](level) / 1000
        chunks = zip(context.chunk(len(kinds)), kinds, strict=True)
        return torch.cat(
            [self._change(part, tau, level) if kind == CONDITIONAL_ROWS else part for part, kind in chunks]
        )

    def _change(self, context: Tensor, tau: float, sigma: float) -> Tensor:
        """Alike for all copies of a prompt: where two lengths meet, the host repeats the tokens of both."""
        copies = copies_of(context)
        return self.change(context[:, : context.shape[1] // copies], tau, sigma).repeat(1, copies, 1)

    def __call__(self, executor, x, t, c_concat=None, c_crossattn=None, control=None, transformer_options={}, **kwargs):
        kinds, sampling = transformer_options["cond_or_uncond"], executor.class_obj.model_sampling
        context = self.changed(c_crossattn, t, kinds, sampling)
        return executor(x, t, c_concat, context, control, transformer_options, **kwargs)


class InSlot(ContextChange):
    """The function around the model of an older host, and whatever was there before."""

    def __init__(self, change: Callable[[Tensor, float, float], Tensor], model: Any, inner: Any):
        super().__init__(change)
        self.model, self.inner = model, inner

    def __call__(self, apply_model, args):
        c, sampling = args["c"], self.model.get_model_object("model_sampling")
        c = {**c, "c_crossattn": self.changed(c.get("c_crossattn"), args["timestep"], args["cond_or_uncond"], sampling)}
        if self.inner is not None:
            return self.inner(apply_model, {**args, "c": c})
        return apply_model(args["input"], args["timestep"], **c)
