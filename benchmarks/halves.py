"""The testbeds' captions in two halves: rules and defaults are chosen on the tuning half, and reported on the other."""

from collections.abc import Sequence
from dataclasses import dataclass

from ..testbed.captions import COLOURS, MEMORIZED_CAPTIONS, ORDINARY_CAPTIONS, SHAPES, words


@dataclass(frozen=True)
class Captions:
    """One half. All colours and shapes occur in it."""

    memorized: Sequence[str]
    ordinary: Sequence[str]


def _half(memorized: Sequence[str], remainder: int) -> Captions:
    """With every second ordinary caption, a chessboard of colours and shapes."""
    ordinary = [c for i, c in enumerate(ORDINARY_CAPTIONS) if sum(divmod(i, len(SHAPES))) % 2 == remainder]
    return Captions(memorized, tuple(ordinary))


TUNING, HELD_OUT = _half(MEMORIZED_CAPTIONS[::2], 0), _half(MEMORIZED_CAPTIONS[1::2], 1)  # of the closed form
LEARNED_TUNING, LEARNED_HELD_OUT = _half(MEMORIZED_CAPTIONS[:8], 0), _half(MEMORIZED_CAPTIONS[8:], 1)


def attributes(captions: Sequence[str]) -> list[tuple[int, int]]:
    """Indices of the colour and the shape that each caption names."""
    return [(COLOURS.index(colour), SHAPES.index(shape)) for *_, colour, shape in map(words, captions)]
