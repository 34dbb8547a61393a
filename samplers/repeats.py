"""Predictions that were not computed: what a step cache hands over has the guidance of an earlier call, or is zero."""

from collections.abc import Sequence

import torch
from torch import Tensor

TOLERANCE = 1e-5  # relative: far below what a step changes, above the rounding of float32


def left_out(cond: Tensor, uncond: Tensor, noise_norms: Sequence[Tensor]) -> Tensor:
    """[batch] bool: the samples for which one of the predictions D_c, D_u [batch, ...] was not made.

    In its place are zeros: from the host, for a prompt out of its range, and from nodes that save a pass. Or zeros are
    in the place of a network's output, so that D of an eps or flow model is x: there the noise that it implies,
    (x - D) / sigma, has the norm 0. noise_norms: of both, [batch] each.
    """
    largest = [torch.linalg.vector_norm(one.flatten(1), torch.inf, dim=1).float() for one in (cond, uncond)]
    return torch.stack([*largest, *noise_norms]).amin(0) == 0


class Repeats:
    """Tells, model call by model call, the samples whose guidance is that of the call before, or none at all.

    A cache that remembers the output of the model repeats the noise eps, the velocity of a v- or of a flow model, or
    the denoised prediction. In every case the guidance norm times a known function of the noise level stays what it
    was: d for eps and flow, d sqrt(1 + sigma^2) for v, d sigma for denoised predictions.
    """

    def __init__(self) -> None:
        self.last = torch.tensor(torch.nan)

    def __call__(self, d: Tensor, sigma: float) -> Tensor:
        """[batch] bool for the guidance norms d [batch], NaN for none, of a call at the noise level sigma."""
        now = d * d.new_tensor([1.0, (1 + sigma**2) ** 0.5, sigma])[:, None]
        same = (now - self.last).abs() <= TOLERANCE * self.last
        self.last = torch.where(now.isfinite(), now, self.last)
        return same.any(0) | (d == 0) | d.isnan()
