"""Predictions that were not computed: what a step cache hands over has the guidance of an earlier call."""

from torch import Tensor

TOLERANCE = 1e-5  # relative: far below what a step changes, above the rounding of float32


class Repeats:
    """Tells, model call by model call, the samples whose guidance is that of the call before, or none at all.

    A cache that remembers the output of the model repeats the noise eps, the velocity of a v- or of a flow model, or
    the denoised prediction. In every case the guidance norm times a known function of the noise level stays what it
    was: d for eps and flow, d sqrt(1 + sigma^2) for v, d sigma for denoised predictions.
    """

    def __init__(self) -> None:
        self.last: Tensor | None = None

    def __call__(self, d: Tensor, sigma: float) -> Tensor:
        """[batch] bool for the guidance norms d [batch] of a call at the noise level sigma."""
        scales = d.new_tensor([1.0, (1 + sigma**2) ** 0.5, sigma])[:, None]
        last, self.last = self.last, d * scales
        if last is None:
            return d == 0
        same = (d * scales - last).abs() <= TOLERANCE * last
        return same.any(0) | (d == 0)
