"""Noise on the prompt's embedding that fades while the image forms (Sadat et al., CADS: Unleashing the Diversity of
Diffusion Models through Condition-Annealed Sampling, ICLR 2024).

Per sample, with tau = t / T (1 is pure noise, 0 the image) and y the conditional embedding [tokens, dim]:

    gamma = 1 if tau <= tau1, 0 if tau >= tau2, else (tau2 - tau) / (tau2 - tau1)
    y^ = sqrt(gamma) y + s sqrt(1 - gamma) n                 n ~ N(0, 1), fresh at every noise level
    y' = (y^ - mean(y^)) / std(y^) std(y) + mean(y)          mean and std over all of y
    followed: psi y' + (1 - psi) y^

Against memorization it is a baseline only: the code released with Jain et al. carries it, no paper reports it.
Deviations from the released ports: noise on conditional rows alone, as the paper's text has it; seeded for every
sample, and drawn by the noise level, so that a second call at a level sees the same; mean and std per sample. Jain's
port draws uniform noise in [0, 1) in the place of n.
"""

import hashlib
from dataclasses import dataclass

import torch
from torch import Tensor

from .settings import check_range


@dataclass(frozen=True)
class Annealing:
    """s, psi, tau1 and tau2 by their widgets, and the seed of the first sample; the next one's is one more.

    Raises ValueError naming the widget, what is wrong with it and what to do.
    """

    strength: float = 0.25
    rescale: float = 1.0
    tau1: float = 0.6
    tau2: float = 0.9
    seed: int = 0

    def __post_init__(self) -> None:
        for widget, high in (("strength", 10.0), ("rescale", 1.0), ("tau1", 1.0), ("tau2", 1.0)):
            check_range(widget, getattr(self, widget), 0.0, high)
        if self.tau1 >= self.tau2:
            raise ValueError(f"tau1 is {self.tau1:g} and tau2 {self.tau2:g}: set tau1 to a number below tau2.")

    def gamma(self, tau: float) -> float:
        """What is left of the prompt."""
        return min(max((self.tau2 - tau) / (self.tau2 - self.tau1), 0.0), 1.0)

    def __call__(self, y: Tensor, tau: float, sigma: float) -> Tensor:
        """y [batch, tokens, dim] as it is to be followed at tau, the noise level sigma; below tau1, y itself."""
        gamma = self.gamma(tau)
        if gamma == 1 or self.strength == 0:
            return y
        n = torch.stack([noise(self.seed + place, sigma, y.shape[1:]) for place in range(len(y))]).to(y.device)
        return mixed(y.float(), n, gamma, self.strength, self.rescale).to(y.dtype)


def noise(seed: int, sigma: float, shape: torch.Size) -> Tensor:
    """n of a sample by its seed and the noise level: float32 on the CPU."""
    key = hashlib.blake2b(f"{seed} {sigma:.6g}".encode(), digest_size=8).digest()
    return torch.randn(shape, generator=torch.Generator().manual_seed(int.from_bytes(key, "little") >> 1))


def mixed(y: Tensor, n: Tensor, gamma: float, strength: float, rescale: float) -> Tensor:
    """psi y' + (1 - psi) y^ of y and n [batch, tokens, dim]; where y^ has no spread, y' is the mean of y."""
    noised = gamma**0.5 * y + strength * (1 - gamma) ** 0.5 * n
    spread, mean = torch.std_mean(noised, dim=(1, 2), keepdim=True)
    target_spread, target_mean = torch.std_mean(y, dim=(1, 2), keepdim=True)
    rescaled = (noised - mean) / torch.where(spread > 0, spread, 1) * target_spread + target_mean
    return torch.lerp(noised, rescaled, rescale)
