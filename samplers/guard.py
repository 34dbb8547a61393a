"""GUARD: attract by an attenuated prompt, repel from the prompt itself (Zhao et al., ICML 2026).

*You Don't Need All That Attention: Surgical Memorization Mitigation in Text-to-Image Diffusion Models*. At sampling
progress p (0 to 1), with the predictions e_u, e_- of the prompt, and e_+ of the prompt whose spikes in the
cross-attention are attenuated:

    e = e_u + s (e_+ - e_u) - r cos(pi/2 p) (e_- - e_u)

Spikes, in each down and middle layer, head and row, of the tokens j after the begin token:

    m_j = max over pixels of logit_j      z_j = (m_j - mean m) / (std m + 1e-6)
    logit_j = 0.3 logit_j                 where z_j > threshold: for all pixels

Other than in the released code: keys are scaled, which is the same (attention.py); every block of a long prompt has its
own begin token; progress is the share of the schedule's steps that are done. As there, end tokens and padding count as
tokens, and a negative logit is raised. The released defaults are s = 7.5, r = 2 and a threshold of 0.1, or 0.01 with
attenuation alone; they were searched for each model under a bound on the loss of CLIP score.
"""

from collections.abc import Sequence
from math import cos, pi

import torch
from torch import Tensor

from .attention import begin_tokens, heads_apart, logits
from .schedule import reached

TINY = 1e-6


def attenuate_spikes(q: Tensor, k: Tensor, heads: int, threshold: float, factor: float) -> Tensor:
    """Keys [rows, tokens, channels] with which the logits of tokens that spike are `factor` times what they were.

    q [rows, pixels, channels]
    """
    spiking = spikes(logits(q, k, heads).amax(2), begin_tokens(k), threshold)
    scaled = heads_apart(k, heads) * torch.where(spiking, factor, 1.0)[..., None].to(k.dtype)
    return scaled.transpose(1, 2).flatten(2)


def spikes(peaks: Tensor, begin: Tensor, threshold: float) -> Tensor:
    """Where a token's highest logit is far above those of the others: [rows, heads, tokens].

    peaks  [rows, heads, tokens], the highest logit over pixels
    begin  [rows, tokens], which are begin tokens: they neither count nor spike
    """
    words = ~begin[:, None]
    count = words.sum(2, keepdim=True)
    mean = torch.where(words, peaks, 0).sum(2, keepdim=True) / count
    deviation = torch.where(words, peaks - mean, 0)
    std = (deviation.square().sum(2, keepdim=True) / (count - 1)).sqrt()  # no number for a single token: no spike
    return words & (deviation / (std + TINY) > threshold)


def decayed(repulsion: float, progress: float) -> float:
    """r cos(pi/2 p)."""
    return repulsion * cos(pi / 2 * progress)


def progress(sigma: float, sigmas: Sequence[float]) -> float:
    """The share of a schedule's steps that are done where the model is called at the noise level `sigma`."""
    return sum(not reached(level, sigma) for level in sigmas[:-1]) / (len(sigmas) - 1)


def repelled(plus: Tensor, minus: Tensor, uncond: Tensor, repulsion: float, cfg: float) -> Tensor:
    """What CFG at scale `cfg` makes into GUARD's guidance, in the place of the conditional prediction: [batch, ...].

    plus, minus, uncond [batch, ...]: the predictions e_+, e_-, e_u, of noise or of the image.
    """
    return plus - repulsion / cfg * (minus - uncond)
