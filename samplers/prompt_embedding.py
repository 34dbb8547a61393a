"""The prompt's embedding, moved until the prompt pulls less (Wen et al., Detecting, Explaining, and Mitigating
Memorization in Diffusion Models, ICLR 2024).

With e the embedding and d(e) = || eps(x_T, e) - eps(x_T, empty) ||_2 of each image, at the first noise level:

    at most K times
        L = sqrt(mean of d(e)^2)         over the images that share e
        stop if L <= target
        e = AdamW(e, grad L)             the first token stays as it is

The picture is then sampled with e at every step, from the same start noise. In the paper K = 10, the learning rate is
0.05, and all images of a prompt share one e; here each may also have its own.

The target is that of an image. The released code takes the norm of the whole batch, sqrt(N) times this L: its 3 for
four images is 1.5 (0.0117 RMS at 512 pixels), and AdamW takes the same steps, being blind to the scale of L. Deviations
from that code: float32, where it keeps bfloat16; the first token is left out of AdamW's decay as well; and the norm
after the K-th step is looked at, for the report.
"""

from functools import partial

import torch
from torch import Tensor
from torch.optim import AdamW

from .descent import Ask, Descent, descend


def move_embedding(e: Tensor, pull: Ask, target: float, rate: float, updates: int) -> Descent:
    """The embedding e [1, tokens, dim] after at most so many updates, float32; `pull` measures L in `target`'s unit."""
    first = e[:, :1].float()

    def kept(moved: Tensor) -> Tensor:
        return torch.cat([first, moved[:, 1:]], dim=1)

    return descend(e.float(), pull, target, updates, partial(AdamW, lr=rate), kept)


def together(norms: Tensor) -> Tensor:
    """L of the norms of several images [images], []."""
    return norms.square().mean().sqrt()
