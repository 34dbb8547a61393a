"""By which a latent is known again, after a node has changed its precision or its device."""

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

    def is_of(self, latent: Any) -> bool:
        """Whether a latent, one tensor or several in one (video with sound), has these values up to rounding."""
        other = fingerprint(latent)
        same_size = other.elements == self.elements and other.values.shape == self.values.shape
        return same_size and torch.allclose(other.values, self.values, rtol=TOLERANCE, atol=TOLERANCE, equal_nan=True)


def fingerprint(latent: Any) -> Fingerprint:
    """Of a latent [batch, ...], or of several with one batch size in one."""
    parts = latent.unbind() if getattr(latent, "is_nested", False) else [latent]
    flat = torch.cat([part.flatten(1) for part in parts], dim=1)
    places = torch.linspace(0, flat.shape[1] - 1, PLACES).round().long()
    return Fingerprint(flat[:, places.to(flat.device)].float().cpu(), flat.shape[1])
