"""The best setting of a method, by its pictures of the tuning half."""

from collections.abc import Sequence
from typing import Any

FEW = 0.05  # of the pictures are copies: what counts as kept from copying


def best(rows: Sequence[dict[str, Any]]) -> int:
    """The number of the row that follows its prompt best among those that copy few; else of the one that copies least.

    rows: "copied" and "alignment", each a value with its interval. The first of equals.
    """
    copied, alignment = ([row[key][0] for row in rows] for key in ("copied", "alignment"))
    kept = [k for k in range(len(rows)) if copied[k] <= FEW]
    if kept:
        return max(kept, key=lambda k: (alignment[k], -copied[k]))
    return min(range(len(rows)), key=lambda k: (copied[k], -alignment[k]))


def front(points: Sequence[tuple[float, ...]]) -> list[bool]:
    """Which points no other one beats: each is (what is to be low, ..., what is to be low)."""
    return [not any(beats(other, point) for other in points) for point in points]


def beats(one: tuple[float, ...], other: tuple[float, ...]) -> bool:
    """As good in everything, and better in something."""
    return all(a <= b for a, b in zip(one, other, strict=True)) and one != other
