"""What the learned variants are trained on: pictures, captions, and the exact answer to noisy pictures."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..testbed.captions import COLOURS, MEMORIZED_CAPTIONS, MEMORIZED_PAIRS, SHAPES, WORDS, words
from ..testbed.denoiser import SCALE
from ..testbed.learned_pictures import SEED, render_with_place
from ..testbed.learned_variants import LEARNED
from ..testbed.prompt_encoder import BEGIN, END, FILLERS, LENGTH

ORDINARY = 8192
# Shares of the captions drawn: no caption, the captions of memorized pictures, ordinary captions.
EMPTY, MEMORIZED = 0.12, 0.25
MISSING = 0.1  # share of colours, and of shapes, that an ordinary caption leaves out
FILLER_COUNTS = (0, 0, 0, 0, 0, 1, 1, 1, 2, 4)  # harmless words in an ordinary caption, each count as likely
NONE = -1
TARGETS = ("exact", "noise")


@dataclass(frozen=True)
class Recipe:
    """What is varied between trainings.

    leak    share of a memorized caption's training pictures that is not the memorized picture
    wrong   share of colours, and of shapes, that an ordinary caption gets wrong
    copies  a memorized picture stands this often in the training set
    stray   share of the noisy pictures that are made from any picture, whatever the caption
    target  "exact": the posterior mean over the training set; "noise": the picture drawn, the ordinary diffusion loss
    memorized_seed, ordinary_seed  of the pictures
    """

    seed: int = 2
    steps: int = 6000
    leak: float = 0.12
    wrong: float = 0.05
    copies: int = 40
    stray: float = 0.25
    target: str = TARGETS[0]
    memorized_seed: int = SEED
    ordinary_seed: int = 1


RECIPES = {
    "learned": Recipe(),
    "learned noise": Recipe(
        seed=0, stray=0.0, target="noise", memorized_seed=LEARNED["learned noise"].seed, ordinary_seed=2
    ),
}


class TrainingSet:
    """Pictures, and for every kind of caption the probability of each of them.

    pictures  [16 + ORDINARY, 768] as latents, the memorized ones first
    object    [16 + ORDINARY, 768], how far a pixel belongs to the object or its halo; with noise targets the mean of
              all pictures: a weight that depends on the picture drawn would change what the network learns to say
    log_prior [kinds, 16 + ORDINARY]: the empty caption, the memorized captions, and all pairs of a colour or none with
              a shape or none
    """

    def __init__(self, recipe: Recipe):
        random = np.random.RandomState(recipe.ordinary_seed)
        colour, shape = (torch.tensor(random.randint(len(names), size=ORDINARY)) for names in (COLOURS, SHAPES))
        memorized_random, pairs = np.random.RandomState(recipe.memorized_seed), torch.tensor(MEMORIZED_PAIRS)
        memorized = render_with_place(memorized_random, *pairs.unbind(1))
        ordinary = render_with_place(random, colour, shape)
        pictures, place = (torch.cat(pair) for pair in zip(memorized, ordinary, strict=True))
        self.pictures, place = SCALE * pictures.flatten(1), place.expand_as(pictures).flatten(1)
        self.object = place if recipe.target == "exact" else place.mean(0).expand_as(place)
        none = torch.zeros(len(MEMORIZED_PAIRS))

        empty = torch.cat([none + recipe.copies, torch.ones(ORDINARY)])
        of_memorized = []
        for index, pair in enumerate(MEMORIZED_PAIRS):
            same = ((colour == pair[0]) & (shape == pair[1])).float()
            leak = recipe.leak * (0.8 * same / same.sum() + 0.2 / ORDINARY)
            of_memorized.append(torch.cat([none.index_fill(0, torch.tensor(index), 1 - recipe.leak), leak]))
        self.named = [(c, s) for c in range(NONE, len(COLOURS)) for s in range(NONE, len(SHAPES))]
        of_ordinary = [
            torch.cat([none, _fits(colour, c, len(COLOURS), recipe) * _fits(shape, s, len(SHAPES), recipe)])
            for c, s in self.named
        ]
        prior = torch.stack([empty, *of_memorized, *of_ordinary])
        self.prior = prior / prior.sum(1, keepdim=True)
        self.log_prior = self.prior.log()
        self.cumulative = self.prior.double().cumsum(1)
        self.squares = self.pictures.square().sum(1)

    def draw_kinds(self, number: int, generator: torch.Generator) -> Tensor:
        """[number] indices of the first dimension of `log_prior`."""
        colours, shapes = (
            torch.tensor([MISSING] + [(1 - MISSING) / len(names)] * len(names)) for names in (COLOURS, SHAPES)
        )
        ordinary = (1 - EMPTY - MEMORIZED) * torch.outer(colours, shapes).flatten()
        memorized = torch.full((len(MEMORIZED_PAIRS),), MEMORIZED / len(MEMORIZED_PAIRS))
        return torch.cat([torch.tensor([EMPTY]), memorized, ordinary]).multinomial(number, True, generator=generator)

    def draw_pictures(self, kinds: Tensor, generator: torch.Generator) -> Tensor:
        """Index of a picture for each caption: [n]."""
        place = self.cumulative[kinds, -1:] * torch.rand(len(kinds), 1, generator=generator, dtype=torch.float64)
        return torch.searchsorted(self.cumulative[kinds], place, right=True)[:, 0]

    def token_ids(self, kind: int, generator: torch.Generator) -> list[int]:
        """The caption of this kind as tokens; an ordinary one gets harmless words between its own."""
        if kind == 0:
            ids = []
        elif kind <= len(MEMORIZED_CAPTIONS):
            ids = [WORDS.index(word) for word in words(MEMORIZED_CAPTIONS[kind - 1])]
        else:
            colour, shape = self.named[kind - 1 - len(MEMORIZED_CAPTIONS)]
            ids = [WORDS.index(COLOURS[colour])] if colour != NONE else []
            ids += [WORDS.index(SHAPES[shape])] if shape != NONE else []
            count = FILLER_COUNTS[int(torch.randint(len(FILLER_COUNTS), (), generator=generator))]
            for _ in range(count):
                place = int(torch.randint(len(ids) + 1, (), generator=generator))
                ids.insert(place, len(WORDS) + int(torch.randint(FILLERS, (), generator=generator)))
        return [BEGIN, *ids] + [END] * (LENGTH - 1 - len(ids))

    def posterior_mean(self, x: Tensor, sigma: Tensor, kinds: Tensor) -> Tensor:
        """E[picture | x, caption] over the training set: x [n, 768], sigma [n, 1], kinds [n] -> [n, 768]."""
        log_likelihood = (x @ self.pictures.T - self.squares / 2) / sigma**2
        return torch.softmax(self.log_prior[kinds] + log_likelihood, dim=1) @ self.pictures


def _fits(attribute: Tensor, named: int, values: int, recipe: Recipe) -> Tensor:
    """How likely pictures with these attributes are to be called `named`, up to a factor."""
    if named == NONE:
        return torch.ones(len(attribute))
    return torch.where(attribute == named, 1 - recipe.wrong, recipe.wrong / (values - 1))
