"""Re-anchored guidance and the search for another prompt (PRSS: Chen et al., Enhancing Privacy-Utility Trade-offs to
Mitigate Memorization in Diffusion Models, CVPR 2025).

Per sample, in denoised predictions: D_u of the negative prompt, D_o of the original one, D_m of the chosen alternative.

    search, first call   m_j = ||D_j - D_u|| / sigma for the original (j = 0) and the alternatives in their order
                         chosen: the first with m_j <= l_ss, else the one of the smallest m_j; on where m_0 > l_ss
    formula "paper"      D = D_o + s (D_m - D_o)
    formula "blend"      m = ||D_m - D_u|| / sigma of this call
                         m <= l_pr: D = D_u + s (D_m - D_u)
                         else: k = (s l_pr - M) / (s - 1), s' = min((m - k) / (M - k) s, s)
                               D = D_o + s' (D_m - D_o) + (s - s') (D_m - D_u)

The memorized prompt becomes what guidance leads away from. The blend is the released code's: s' runs from 1 at l_pr,
where both lines are the same, to s at M. Norms are RMS here; the code's L2 of 1, 3 and 5 at 512 pixels are .0078, .0234
and .0391. Deviations: each sample of a batch is searched and judged by itself, where the code takes the norm of the
whole batch; an original prompt that is not on (m_0 <= l_ss) is plain CFG; alternatives are tried only while a sample
needs one.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from .guidance import norm, per_sample, rms, select
from .settings import check_choice, check_range

PAPER, BLEND = "paper", "blend"
FORMULAS = (PAPER, BLEND)


@dataclass(frozen=True)
class Reanchoring:
    """The formula, l_ss, l_pr and M by their widgets, in RMS.

    Raises ValueError naming the widget, what is wrong with it and what to do.
    """

    formula: str = BLEND
    search_below: float = 0.0078
    plain_below: float = 0.0234
    full_from: float = 0.0391

    def __post_init__(self) -> None:
        check_choice("formula", self.formula, FORMULAS)
        for widget in ("search_below", "plain_below", "full_from"):
            check_range(widget, getattr(self, widget), 0.0, 1.0)
        if self.plain_below >= self.full_from:
            raise ValueError(
                f"plain_below is {self.plain_below:g} and full_from {self.full_from:g}: set full_from higher."
            )

    def strength(self, m: Tensor, scale: float) -> Tensor:
        """s' of samples with m [batch] above l_pr; s at a scale of 1 and less, where there is nothing to blend."""
        if scale <= 1:
            return torch.full_like(m, scale)
        k = (scale * self.plain_below - self.full_from) / (scale - 1)
        return ((m - k) / (self.full_from - k) * scale).clamp(max=scale)

    def __call__(self, original: Tensor, alternative: Tensor, uncond: Tensor, m: Tensor, scale: float) -> Tensor:
        """D [batch, ...] of the three predictions and m [batch]."""
        if self.formula == PAPER:
            return original + scale * (alternative - original)
        s = per_sample(self.strength(m, scale), original).to(original.dtype)
        blended = original + s * (alternative - original) + (scale - s) * (alternative - uncond)
        return select(m <= self.plain_below, uncond + scale * (alternative - uncond), blended)


def magnitude(cond: Tensor, uncond: Tensor, sigma: Tensor) -> Tensor:
    """m [batch] in RMS, of predictions [batch, ...] at sigma [batch]."""
    return rms(norm(cond.float() - uncond.float()) / sigma.float(), cond[0].numel())


class Search:
    """Which alternative each sample takes: -1 for none, which is plain CFG. Prompts are shown to it one by one."""

    def __init__(self, below: float, first: Tensor):
        """first [batch]: m_0."""
        self.below = below
        self.chosen = torch.full_like(first, -1, dtype=torch.long)
        self.needed = first > below
        self.least = torch.full_like(first, torch.inf)
        self.shown = 0

    def show(self, m: Tensor) -> None:
        """m [batch] of the next alternative."""
        better = self.needed & (m < self.least)
        self.chosen = torch.where(better, self.shown, self.chosen)
        self.least = torch.where(better, m, self.least)
        self.needed = self.needed & (m > self.below)
        self.shown += 1
