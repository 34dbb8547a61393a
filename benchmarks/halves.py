"""The testbeds' captions in two halves: rules and defaults are chosen on the tuning half, and reported on the other."""

from collections.abc import Sequence
from dataclasses import dataclass

from ..testbed.captions import MEMORIZED_CAPTIONS, ORDINARY_CAPTIONS, words
from ..testbed.scenes import captions as scenes
from ..testbed.vocabulary import SHAPE_WORDS, Vocabulary


@dataclass(frozen=True)
class Captions:
    """One half. All colours and shapes (or things) occur in it."""

    memorized: Sequence[str]
    ordinary: Sequence[str]


def _half(
    memorized: Sequence[str],
    remainder: int,
    ordinary: Sequence[str] = ORDINARY_CAPTIONS,
    vocabulary: Vocabulary = SHAPE_WORDS,
) -> Captions:
    """With every second ordinary caption, a chessboard of colours and shapes."""
    columns = len(vocabulary.things)
    return Captions(memorized, tuple(c for i, c in enumerate(ordinary) if sum(divmod(i, columns)) % 2 == remainder))


TUNING, HELD_OUT = _half(MEMORIZED_CAPTIONS[::2], 0), _half(MEMORIZED_CAPTIONS[1::2], 1)  # of the closed form
LEARNED_TUNING, LEARNED_HELD_OUT = _half(MEMORIZED_CAPTIONS[:8], 0), _half(MEMORIZED_CAPTIONS[8:], 1)
SCENES_TUNING, SCENES_HELD_OUT = (
    _half(scenes.MEMORIZED_CAPTIONS[half::2], half, scenes.ORDINARY_CAPTIONS, scenes.VOCABULARY) for half in (0, 1)
)


def attributes(captions: Sequence[str], vocabulary: Vocabulary = SHAPE_WORDS) -> list[tuple[int, int]]:
    """Indices of the colour and the shape that each caption names."""
    colours, things = vocabulary.colours, vocabulary.things
    return [(colours.index(colour), things.index(thing)) for *_, colour, thing in map(words, captions)]
