"""By which a latent is known again, after a node has changed its precision or its device."""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

PLACES = 64
TOLERANCE = 0.02  # bfloat16 has three digits


@dataclass(frozen=True)
class Fingerprint:
    """Some values of every sample, [batch, places] float32 on the CPU, and the number of elements of a sample."""

    values: Tensor
    elements: int

    def distance(self, latent: Any) -> float:
        """How far a latent, one tensor or several in one (video with sound), is from this: the largest difference.

        Infinite beyond what rounding changes, and for another size.
        """
        other = fingerprint(latent)
        if other.elements != self.elements or other.values.shape != self.values.shape:
            return math.inf
        if not torch.allclose(other.values, self.values, rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True):
            return math.inf
        return (other.values - self.values).nan_to_num().abs().max().item()


def fingerprint(latent: Any) -> Fingerprint:
    """Of a latent [batch, ...], or of several with one batch size in one."""
    parts = latent.unbind() if getattr(latent, "is_nested", False) else [latent]
    flat = torch.cat([part.flatten(1) for part in parts], dim=1)
    places = torch.linspace(0, flat.shape[1] - 1, PLACES).round().long()
    return Fingerprint(flat[:, places.to(flat.device)].float().cpu(), flat.shape[1])
