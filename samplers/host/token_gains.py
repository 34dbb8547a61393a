"""How much each token of a prompt adds to what the cross-attention makes of it: its values, scaled.

The host shows patches a layer's context before it becomes keys and values, so that keys, and who attends, stay as they
are. Rows are known by their embedding: in whatever order, with areas and several conditionings, and repeated to the
length of another prompt.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from .wrappers import WrappersMP

KEY = "basin_escape_token_gains"


def scale_tokens(model: Any, conds: Sequence[Tensor], gains: Tensor, name: str) -> Any:
    """A clone of `model` in which the values of these embeddings' tokens are `gains` [tokens] times what they were.

    conds  [1, tokens, dim] each
    A run raises ValueError where none of its conditionings is one of them (`name` is the node's); a ComfyUI before
    December 2024 does not tell.
    """
    patched = model.clone()
    patched.set_model_attn2_patch(TokenGains(conds, gains))
    if WrappersMP is not None:
        patched.add_wrapper_with_key(WrappersMP.OUTER_SAMPLE, KEY, Known(conds, name))
    return patched


class TokenGains:
    """The patch of the context."""

    def __init__(self, conds: Sequence[Tensor], gains: Tensor):
        self.conds, self.gains = conds, gains

    def __call__(self, n: Tensor, context: Tensor, value: Tensor, extra: dict) -> tuple[Tensor, Tensor, Tensor]:
        copies, rest = divmod(context.shape[1], len(self.gains))
        if rest:
            return n, context, value
        repeated = [cond.to(context).repeat(1, copies, 1) for cond in self.conds]
        ours = torch.stack([(context == cond).flatten(1).all(1) for cond in repeated]).any(0)
        factors = torch.where(ours[:, None], self.gains.to(value).repeat(copies), 1)
        return n, context, value * factors[..., None]


class Known:
    """A wrapper of the host's outer_sample that looks for the embeddings in the run's conditionings."""

    def __init__(self, conds: Sequence[Tensor], name: str):
        self.conds, self.name = conds, name

    def __call__(self, executor, *args, **kwargs):
        given = [entry.get("cross_attn") for conds in executor.class_obj.original_conds.values() for entry in conds]
        if not any(torch.equal(cond.cpu(), own.cpu()) for cond in given if cond is not None for own in self.conds):
            raise ValueError(
                f"The sampler's positive is not what {self.name} has encoded: connect its `positive`, without nodes "
                "between that change the prompt's embedding."
            )
        return executor(*args, **kwargs)
