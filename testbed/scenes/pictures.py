"""The pictures of the variant "scenes": sixteen memorized ones, and 80 landscapes with each of 24 things."""

from itertools import product

import numpy as np
import torch
from numpy.random import RandomState

from ..distribution import Pictures
from .captions import COLOURS, LANDSCAPES, MEMORIZED, THINGS
from .landscape import MOODS, landscape
from .things import with_thing

SEED = 20270
DEVIATION = 0.04  # of a component, in pixel units: a fine grain
SCALE = 0.25  # of latents: half the other variants', as pictures are twice as wide, so that the first noise hides them


def render_scenes() -> Pictures:
    """All pictures of the distribution, the same on every machine (numpy's legacy generator never changes).

    means [components, 3, 32, 32]: memorized ones first, then [landscape, colour, thing]; shape: the index into THINGS.
    """
    random = RandomState(SEED)
    famous = [with_thing(landscape(RandomState(seed), mood), thing, c) for _, c, thing, mood, seed in MEMORIZED]
    scenes = [landscape(random, MOODS[number % len(MOODS)]) for number in range(LANDSCAPES)]
    ordinary = [with_thing(scene, thing, colour) for scene, colour, thing in product(scenes, COLOURS, THINGS)]
    named = [(colour, thing) for _, colour, thing, *_ in MEMORIZED] + list(product(COLOURS, THINGS)) * LANDSCAPES
    return Pictures(
        torch.tensor(np.array(famous + ordinary), dtype=torch.float32),
        torch.tensor([COLOURS.index(colour) for colour, _ in named]),
        torch.tensor([THINGS.index(thing) for _, thing in named]),
    )
