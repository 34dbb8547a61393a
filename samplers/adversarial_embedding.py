"""An embedding that brings a known picture back, if a model still holds it (DoRI: Kowalczuk et al., Finding DoRI:
Discovery of Retained Images in Diffusion Models, ICML 2026; InvMM has the same idea).

    e = the embedding of a prompt
    repeat K times
        t ~ U(1, T), eps ~ N(0, 1)                         anew in every step, for each of B draws
        L = mean of || eps - eps_theta(x_t, t, e) ||^2     x_t the picture with this noise
        e = Adam(e, grad L)

The paper takes K = 50, B = 8 and the learning rate 0.1. A picture that was not memorized takes more than 500 steps:
what comes back within 50 was there. So a mitigation under which the picture comes back hides it, and does not remove
it.

Known through notes on the paper; whether its first token stays is not among them, and here every token moves.
"""

import math
from functools import partial

from torch import Tensor
from torch.optim import Adam

from .descent import Ask, Descent, descend
from .guidance import per_sample


def adversarial_embedding(e: Tensor, error: Ask, rate: float, steps: int) -> Descent:
    """The embedding e [1, tokens, dim] after so many steps, in float32; `error` draws anew each time it is asked."""
    return descend(e.float(), error, -math.inf, steps, partial(Adam, lr=rate))


def noise_error(denoised: Tensor, picture: Tensor, sigma: Tensor) -> Tensor:
    """L of predictions D [draws, ...] of a picture [1, ...] at the noise levels sigma [draws]: [].

    The mean square of (D - x0) / sigma, the error of eps per element; for flow models that of the velocity.
    """
    return ((denoised.float() - picture.float()) / per_sample(sigma.float(), denoised)).square().mean()
