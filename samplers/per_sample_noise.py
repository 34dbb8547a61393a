"""Adjusting the initial noise, per sample (Han et al., NeurIPS 2025): every start is moved until the
prompt no longer pulls at it.

With delta(x) = eps_c(x) - eps_u(x) at the first timestep, for each unit noise x by itself:

    repeat at most `updates` times
        L = ||delta(x)||;  stop if L <= target
        x = AdamW step along dL/dx

Guidance then acts from the first step on. The paper's targets are 0.7 to 1.5 at 512 x 512 pixels (SD 1.4), 0.0055 to
0.0117 per square root of the elements, with a learning rate of 0.01, AdamW's weight decay of 0.01 and at most 1000
updates.

Deviations from the released code: float32, where that keeps the noise in bfloat16, in which its weight decay is lost in
the rounding; and, if asked, x keeps its length. delta comes from ComfyUI's denoised predictions, (D_u - D_c) / sigma: a
target holds for eps- and v-models alike.
"""

from functools import partial

from torch import Tensor
from torch.optim import AdamW

from .descent import Ask, Descent, descend
from .guidance import norm, per_sample

DECAY = 0.01


def adjust_per_sample(
    x: Tensor, pull: Ask, target: float, rate: float, updates: int, keep_length: bool = False
) -> Descent:
    """Adjusted unit noise of x [1, ...]; `pull` measures ||delta|| in the unit of `target`."""
    length = norm(x)

    def rescaled(x: Tensor) -> Tensor:
        return x * per_sample(length / norm(x), x)

    adam = partial(AdamW, lr=rate, weight_decay=DECAY)
    return descend(x, pull, target, updates, adam, rescaled if keep_length else None)
