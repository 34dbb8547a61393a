"""How a gradient is taken through a ComfyUI network: all that stands in its way is known here and nowhere else.

* Nodes run in inference mode, and so were weights and prompts loaded; autograd refuses to keep such tensors. Here that
  mode is off, and every operation is handed a plain tensor on the same memory in their place: weights are constants,
  nothing is copied, and the model is not touched.
* Some layers write into what autograd has kept (`x += n` in the attention block of a ComfyUI of 2024). Such a tensor is
  copied before it is written to.
* A model whose weights are not all on its device loads each one for its layer alone, and backward needs them again; on
  a full device the activations do not fit. Then what backward needs waits in main memory.
* Half precision loses small gradients: the backward pass is scaled by a power of two, which float32 does not see.

What ends the work early (ComfyUI's cancel, an error) leaves nothing behind: every mode is that of a `with`.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import comfy.model_management
import torch
from torch import Tensor
from torch.autograd.graph import allow_mutation_on_saved_tensors, saved_tensors_hooks
from torch.nn import Parameter
from torch.overrides import TorchFunctionMode

SCALE = 128.0
OUT_OF_MEMORY = torch.cuda.OutOfMemoryError


def constant(value: Any) -> Any:
    """Weights and inference tensors as plain tensors on the same memory; lists and tuples of them alike."""
    if type(value) in (list, tuple):
        return type(value)(constant(item) for item in value)
    if type(value) not in (Tensor, Parameter):
        return value
    if value.is_inference():
        plain = torch.empty(0, dtype=value.dtype, device=value.device)
        return plain.set_(value.untyped_storage(), value.storage_offset(), value.size(), value.stride())
    return value.detach() if type(value) is Parameter else value


class Constants(TorchFunctionMode):
    """Every operation of torch gets `constant` of its inputs."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if getattr(func, "__name__", "") not in ("__get__", "__set__"):  # of attributes, such as a shape
            args, kwargs = constant(tuple(args)), {name: constant(value) for name, value in kwargs.items()}
        return func(*args, **kwargs)


@contextmanager
def differentiable(in_main_memory: bool = False) -> Iterator[None]:
    """Forward and backward passes of any network of the host may run here, both inside; not nested.

    in_main_memory  where what the backward pass needs waits
    """
    kept: AbstractContextManager = main_memory() if in_main_memory else allow_mutation_on_saved_tensors()
    with torch.inference_mode(False), torch.enable_grad(), Constants(), kept:
        yield


def main_memory() -> saved_tensors_hooks:
    """What backward needs is copied away, on the CPU too: a layer may write into it."""
    return saved_tensors_hooks(lambda kept: (kept.device, kept.to("cpu", copy=True)), lambda at: at[1].to(at[0]))


def value_and_gradient(
    f: Callable[[Tensor], Tensor], at: Tensor, enough: float = -math.inf, in_main_memory: bool = False
) -> tuple[Tensor, Tensor | None]:
    """f(at) of any shape, and the gradient of its sum with the shape of `at`: float32, without a graph.

    No gradient, and no backward pass, where no value is above `enough`. Raises ValueError for a network that has no
    backward pass, and for numbers that are not finite.
    """
    with differentiable(in_main_memory):
        point = at.detach().float().clone().requires_grad_()
        value = f(point)
        gradient = None if bool((value <= enough).all()) else _gradient(value, point)
    for numbers in (value, gradient):
        if numbers is not None and not numbers.isfinite().all():
            raise ValueError("The guidance or its gradient is not finite: run the model in bfloat16 or float32.")
    return value.detach(), gradient


def _gradient(value: Tensor, point: Tensor) -> Tensor:
    comfy.model_management.throw_exception_if_processing_interrupted()
    try:
        (gradient,) = torch.autograd.grad(value.sum() * SCALE, point)
    except OUT_OF_MEMORY:
        raise
    except RuntimeError as error:
        raise ValueError(f"The model has no backward pass: connect another one. PyTorch says: {error}") from error
    return gradient / SCALE


def refuse(name: str, weights: Iterable[tuple[str, Tensor]]) -> None:
    """Raise ValueError, by the name of the model, where a gradient would be wrong without a word."""
    if getattr(comfy.model_management, "sage_attention_enabled", bool)():
        raise ValueError("SageAttention has no backward pass: start ComfyUI without --use-sage-attention.")
    for key, weight in weights:
        if type(weight) is not Parameter or not weight.is_floating_point():
            raise ValueError(
                f"model ({name}) is quantised ({key}), and no gradient can be taken through it: load it in float16, "
                "bfloat16 or float32."
            )
