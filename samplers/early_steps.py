"""How much the conditional prediction changes between two early steps ("Early Detection of Memorization", anonymous).

    DSM(k -> k + 1) = |eps_c(x_{k+1}) - eps_c(x_k)|^2        consecutive steps under plain CFG

A memorized prompt moves its noise prediction more. DSM(1 -> 2), between the second and the third of 50 steps, was the
best (85.8 % of memorized prompts at 1 % false alarms on Stable Diffusion 1.5, the first norm 73.4 %; means of the
squared L2 12.6 and .28). It comes for free with the first three steps of a run.

Here the mean over elements and not the sum, so that a threshold holds at every size.
"""

from collections.abc import Sequence

from torch import Tensor


def prediction_change(predictions: Sequence[Tensor]) -> Tensor:
    """DSM(1 -> 2) per element: [batch] float32, of the conditional noise predictions of three steps [batch, ...]."""
    _, second, third = predictions
    return (third - second).float().square().flatten(1).mean(1)
