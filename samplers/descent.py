"""What is optimised before sampling: steps of Adam down the gradient of a number, until it is low enough.

optimizer = Adam([x])
repeat at most `updates` times
    L = f(x);  stop if L <= target
    x = optimizer step along dL/dx
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from torch import Tensor
from torch.optim import Optimizer

# ask(x, enough) -> f(x) of one element, and its gradient like x; None for the gradient where f(x) <= enough
Ask = Callable[[Tensor, float], tuple[Tensor, Tensor | None]]


class Descent(NamedTuple):
    """x as it ended, like the start, and what f was at the start and after every update: updates + 1 numbers."""

    x: Tensor
    values: list[float]


def descend(
    start: Tensor,
    ask: Ask,
    target: float,
    updates: int,
    adam: Callable[[Sequence[Tensor]], Optimizer],
    project: Callable[[Tensor], Tensor] | None = None,
) -> Descent:
    """From `start` in float32; a start that is low enough comes back as it is.

    adam     makes the optimizer
    project  what becomes of x after every update
    """
    x, values = start.clone(), []
    optimizer = adam([x])
    while True:
        value, x.grad = ask(x, target if len(values) < updates else math.inf)
        values.append(value.item())
        if x.grad is None:
            return Descent(x.detach(), values)
        optimizer.step()
        if project is not None:
            x.copy_(project(x))
