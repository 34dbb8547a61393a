"""A learned testbed, sampled with every transition tried, and its copies counted."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import comfy.samplers
import torch
from torch import Tensor

from ..benchmarks.halves import LEARNED_HELD_OUT as HELD_OUT
from ..benchmarks.halves import LEARNED_TUNING as TUNING
from ..benchmarks.halves import Captions as Half
from ..testbed.captions import MEMORIZED_CAPTIONS
from ..testbed.denoiser import SCALE
from ..testbed.learned_judge import COPY_SIMILARITY, similarity
from ..testbed.learned_loader import load_learned
from ..testbed.learned_variants import LEARNED

__all__ = ["HELD_OUT", "TUNING", "Half", "Learned", "Samples", "Transitions"]


@dataclass(frozen=True)
class Transitions:
    """What came of every transition step that there is; n pictures, the seeds of each caption side by side.

    pictures   [steps + 1, n, 3, 16, 16]: CFG from this step on; the last one had none
    similarity [steps + 1, n] to the memorized picture of the caption, for an ordinary caption to the nearest
    norms      [steps, n] guidance norm (L2) without CFG
    timesteps  [steps]
    """

    pictures: Tensor
    similarity: Tensor
    norms: Tensor
    timesteps: Tensor

    @property
    def copied(self) -> Tensor:
        return self.similarity > COPY_SIMILARITY

    @property
    def oracle(self) -> Tensor:
        """[n] first step from which CFG no longer copies; `steps + 1` where there is none."""
        escaped = torch.cat([~self.copied, torch.ones_like(self.copied[:1])])
        return escaped.float().argmax(0)

    @property
    def single(self) -> Tensor:
        """[n] whether a picture goes from copied to not copied once and never back."""
        return (self.copied.int().diff(dim=0) != 0).sum(0) == 1


@dataclass(frozen=True)
class Samples:
    """Plain CFG: pictures [n, 3, 16, 16], similarity [n] and guidance norm [n] of the first step."""

    pictures: Tensor
    similarity: Tensor
    first_norms: Tensor


class Learned:
    """A learned variant, called directly: a batch has a caption for each of its rows.

    weights   other ones of the same training set
    memorized its pictures by their caption, [3, 16, 16] each
    """

    def __init__(self, variant: str = "learned", weights: Path | None = None):
        self.patcher, self.clip = load_learned(weights or LEARNED[variant].weights)
        self.memorized = dict(zip(MEMORIZED_CAPTIONS, LEARNED[variant].memorized_pictures(), strict=True))
        self.sampling = self.patcher.model.model_sampling
        self.empty = self.encode([""])

    def encode(self, captions: Sequence[str]) -> Tensor:
        contexts: list[Any] = [self.clip.encode_from_tokens(self.clip.tokenize(caption)) for caption in captions]
        return torch.cat(contexts)

    @torch.inference_mode()
    def predict(self, x: Tensor, sigma: Tensor, context: Tensor) -> tuple[Tensor, Tensor]:
        """The unconditional prediction, and the conditional one minus it; `context` is repeated to the batch."""
        repeats = len(x) // len(context)
        both = torch.cat([context.repeat(repeats, 1, 1), self.empty.expand(len(x), -1, -1)])
        denoised = self.patcher.model.apply_model(
            x.repeat(2, 1, 1, 1), sigma.expand(2 * len(x)), c_crossattn=both, transformer_options={}
        )
        conditional, unconditional = denoised.chunk(2)
        return unconditional, conditional - unconditional

    def _start(self, captions: Sequence[str], seeds: int, steps: int) -> tuple[Tensor, Tensor, Tensor]:
        """A context for every picture, the schedule, and the start noises 0 to `seeds` - 1 for each caption."""
        sigmas = comfy.samplers.calculate_sigmas(self.sampling, "normal", steps)
        noise = torch.cat([torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(s)) for s in range(seeds)])
        x = noise.repeat(len(captions), 1, 1, 1) * (1 + sigmas[0] ** 2).sqrt()
        return self.encode(captions).repeat_interleave(seeds, 0), sigmas, x

    def sample(self, captions: Sequence[str], seeds: int, steps: int = 30, cfg: float = 5.0) -> Samples:
        """Plain CFG, Euler."""
        context, sigmas, x = self._start(captions, seeds, steps)
        norms = []
        for sigma, following in pairwise(sigmas):
            unconditional, guidance = self.predict(x, sigma, context)
            norms.append(guidance.flatten(1).norm(dim=1) / sigma)
            x = x + (x - unconditional - cfg * guidance) / sigma * (following - sigma)
        pictures = x / SCALE
        return Samples(pictures, self.similarity(pictures, captions), norms[0])

    def try_transitions(
        self, captions: Sequence[str], seeds: int, steps: int = 30, cfg: float = 5.0, opposite_scale: float = 0.0
    ) -> Transitions:
        """Euler from the start noises 0 to `seeds` - 1 of each caption, with the transition at every step in turn.

        Before it zero guidance, or opposite guidance where a scale is given. The paths share what they have in common.
        """
        context, sigmas, x = self._start(captions, seeds, steps)
        x, norms = x[None], []
        for sigma, following in pairwise(sigmas):
            unconditional, guidance = (part.view_as(x) for part in self.predict(x.flatten(0, 1), sigma, context))
            norms.append(guidance[0].flatten(1).norm(dim=1) / sigma)
            # The first row is still without CFG; it goes on so, and from here also with it.
            denoised = torch.cat([unconditional[:1] - opposite_scale * guidance[:1], unconditional + cfg * guidance])
            x = torch.cat([x[:1], x])
            x = x + (x - denoised) / sigma * (following - sigma)
        pictures = x.flip(0) / SCALE
        return Transitions(
            pictures,
            torch.stack([self.similarity(row, captions) for row in pictures]),
            torch.stack(norms),
            self.sampling.timestep(sigmas[:-1]),
        )

    def similarity(self, images: Tensor, captions: Sequence[str]) -> Tensor:
        """[n], n a multiple of the captions: to the caption's memorized picture, or to the nearest of all."""
        groups, known = images.unflatten(0, (len(captions), -1)), self.memorized
        references = [[known[c]] if c in known else known.values() for c in captions]
        return torch.cat([
            torch.stack([similarity(group, image) for image in named]).amax(0)
            for group, named in zip(groups, references, strict=True)
        ])  # fmt: skip
