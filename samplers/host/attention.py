"""What methods do in the cross-attention of a ComfyUI model (`attn2` of UNets: SD1.x, SD2.x, SDXL).

An edit is told of every cross-attention of a run and may hand on other keys and values. What then attends with them is
whatever would have: the host, or another node's replacement (an image prompt); what comes out may be changed too. So
edits add up, in the order in which they were put on the model, and are there whatever node was added later. A ComfyUI
before December 2024 has no wrappers: there, a replacement that is put on the model after an edit takes its place.
"""

import inspect
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

import torch
from comfy.ldm.modules import attention
from torch import Tensor

from .wrappers import WrappersMP

KEY = "basin_escape_attention"
TELLS_OPTIONS = "transformer_options" in inspect.signature(attention.CrossAttention.forward).parameters
Layer: TypeAlias = tuple[str, int, int]  # "input", "middle" or "output", number of the block, and of the layer in it


class Attention(NamedTuple):
    """A cross-attention that is about to happen.

    q, k, v  [rows, pixels or tokens, channels]
    heads    number of them, side by side in the channels
    prompts  [rows], which rows follow a prompt and not a negative one; on the CPU
    number   of the layer, in the order of the network
    part     of the network: "input", "middle" or "output"
    sigma    noise level
    shape    of the model's input
    """

    q: Tensor
    k: Tensor
    v: Tensor
    heads: int
    prompts: Tensor
    number: int
    part: str
    sigma: float | Tensor
    shape: Sequence[int]


Edit: TypeAlias = Callable[[Attention], tuple[Tensor, Tensor]]  # the keys and values to go on with
After: TypeAlias = Callable[[Attention, Tensor], Tensor]  # what to go on with of the result [rows, pixels, channels]


def layers(model: Any) -> list[Layer]:
    """The cross-attentions of a MODEL, in the order of its network. ValueError where there are none."""
    return list(cross_attentions(model))


def cross_attentions(model: Any) -> dict[Layer, Any]:
    """The same with the host's module of each."""
    network = model.model.diffusion_model
    blocks = [("input", n, block) for n, block in enumerate(getattr(network, "input_blocks", []))]
    blocks += [("middle", 0, block) for block in [getattr(network, "middle_block", None)] if block is not None]
    blocks += [("output", n, block) for n, block in enumerate(getattr(network, "output_blocks", []))]
    found = {(part, n, index): layer for part, n, block in blocks for index, layer in _cross_attentions(block)}
    if not found:
        raise ValueError(
            f"model is a {type(network).__name__}, which has no cross-attention to the prompt that this node could "
            "reach: it is for SD1.x, SD2.x and SDXL. Take a method that works on guidance, Basin Escape (model patch) "
            "for instance."
        )
    return found


def _cross_attentions(block: Any) -> list[tuple[int, Any]]:
    """With their places, as the host counts them."""
    inside = [layer for part in block for layer in getattr(part, "transformer_blocks", [])]
    return [(index, layer.attn2) for index, layer in enumerate(inside) if getattr(layer, "attn2", None) is not None]


def edit_attention(model: Any, edit: Edit, after: After | None = None) -> Any:
    """A clone of `model` (a ModelPatcher) with an edit of all its cross-attentions. ValueError where it has none."""
    patched, found = model.clone(), layers(model)
    if WrappersMP is None:
        patched.model_options = with_edit(patched.model_options, edit, found, after=after)
    else:
        patched.add_wrapper_with_key(WrappersMP.OUTER_SAMPLE, KEY, RunEdit(edit, found, after))
    return patched


class RunEdit:
    """A wrapper of the host's outer_sample that edits the run's attention."""

    def __init__(self, edit: Edit, found: list[Layer], after: After | None = None):
        self.edit, self.found, self.after = edit, found, after

    def __call__(self, executor, *args, **kwargs):
        guider = executor.class_obj  # its options are the run's own copy
        prompts = prompts_of(guider)
        guider.model_options = with_edit(guider.model_options, self.edit, self.found, prompts, self.after)
        return executor(*args, **kwargs)


def prompts_of(guider: Any) -> Sequence[int]:
    """Which conditionings of a guider's model call are prompts and not negatives, by their place in it."""
    if "middle" in guider.original_conds:  # DualCFGGuider asks for negative, middle, positive
        return (1, 2)
    return getattr(guider, "prompts", (0,))


def with_edit(
    model_options: dict, edit: Edit, found: list[Layer], prompts: Sequence[int] = (0,), after: After | None = None
) -> dict:
    """Options with the edit before whatever attends in these layers. Nothing in the options is changed in place."""
    options = model_options.get("transformer_options", {})
    replaced = options.get("patches_replace", {})
    attn2 = dict(replaced.get("attn2", {}))
    for number, layer in enumerate(found):
        attend = attn2.get(layer, attn2.get(layer[:2], attend_as_the_host))
        attn2[layer] = Edited(edit, number, layer[0], prompts, attend, after)
    return {**model_options, "transformer_options": {**options, "patches_replace": {**replaced, "attn2": attn2}}}


class Edited:
    """A cross-attention with an edit before it, as the host's patches are called."""

    def __init__(
        self, edit: Edit, number: int, part: str, prompts: Sequence[int], attend: Callable, after: After | None = None
    ):
        self.edit, self.number, self.part, self.prompts = edit, number, part, prompts
        self.attend, self.after = attend, after

    def __call__(self, q: Tensor, k: Tensor, v: Tensor, extra: dict) -> Tensor:
        order = torch.tensor([place in self.prompts for place in extra["cond_or_uncond"]])
        prompts = order.repeat_interleave(len(q) // len(order))
        sigma, shape = extra["sigmas"][0], extra["original_shape"]
        call = Attention(q, k, v, extra["n_heads"], prompts, self.number, self.part, sigma, shape)
        k, v = self.edit(call)
        out = self.attend(q, k, v, extra)
        return out if self.after is None else self.after(call, out)


def attend_as_the_host(q: Tensor, k: Tensor, v: Tensor, extra: dict) -> Tensor:
    """What the host's layer does where nobody replaces it."""
    options: Any = {"transformer_options": extra} if TELLS_OPTIONS else {}
    return attention.optimized_attention(q, k, v, extra["n_heads"], attn_precision=extra["attn_precision"], **options)
