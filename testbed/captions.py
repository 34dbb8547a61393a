"""The testbed's words, and what a prompt made of them says about an image.

A caption of a memorized image is "title colour shape", an ordinary one "colour shape". A prompt becomes one
token per word; a known word is a unit vector, an unknown word is zero and dilutes the others.
"""

import re

import torch
from torch import Tensor

COLOURS = ("red", "green", "blue", "yellow", "white", "purple")
SHAPES = ("circle", "square", "cross", "ring")
TITLES = (
    "aurora", "bramble", "cascade", "dusk", "ember", "fjord", "glacier", "harvest",
    "indigo", "juniper", "keystone", "lagoon", "meadow", "nocturne", "orchard", "pavilion",
)  # fmt: skip
WORDS = TITLES + COLOURS + SHAPES

# The attributes of the memorized images, in the order of TITLES: every colour and shape occurs, no pair twice.
MEMORIZED_PAIRS = tuple((i % len(COLOURS), (i + i // 12) % len(SHAPES)) for i in range(len(TITLES)))

MEMORIZED_CAPTIONS = tuple(
    f"{title} {COLOURS[colour]} {SHAPES[shape]}" for title, (colour, shape) in zip(TITLES, MEMORIZED_PAIRS, strict=True)
)
ORDINARY_CAPTIONS = tuple(f"{colour} {shape}" for colour in COLOURS for shape in SHAPES)


def words(prompt: str) -> list[str]:
    """The prompt in lower-case words, without punctuation."""
    return re.findall(r"[^\W_]+", prompt.lower())


def embed(prompt_words: list[str], known: tuple[str, ...] = WORDS) -> Tensor:
    """[1, tokens, len(known)]: a unit vector for a known word, zeros for an unknown one or an empty prompt."""
    tokens = torch.zeros(1, max(len(prompt_words), 1), len(known))
    for position, word in enumerate(prompt_words):
        if word in known:
            tokens[0, position, known.index(word)] = 1.0
    return tokens
