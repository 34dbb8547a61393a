"""The verdict on a prompt, the worst that holds:

copied a given image                 a plain picture is as similar to a reference as the measure calls a copy
the same picture from every seed     of two or more plain pictures all are copies of one: a sign that needs no
the same picture from k of n seeds   reference, and that many of them
likely memorized                     a detection score reaches its threshold
no sign                              nothing of these in what was looked at, which proves nothing
not examined                         every seed failed, or none was tried
"""

from collections.abc import Sequence

COPIED, EVERY, SEVERAL = (
    "copied a given image",
    "the same picture from every seed",
    "the same picture from {} of {} seeds",
)
LIKELY, NO_SIGN, NOT_EXAMINED = "likely memorized", "no sign", "not examined"


def alike(same: Sequence[Sequence[bool]]) -> int:
    """How many pictures are copies of one among them, that one counted. same: whether each is a copy of each."""
    return max(sum(one or k == place for k, one in enumerate(row)) for place, row in enumerate(same))


def worst(copied: bool, alike: int, seeds: int, likely: bool) -> tuple[int, str]:
    """Its rank, 0 for the worst, and its words. alike: how many of the `seeds` pictures are copies of one, it too."""
    if copied:
        return 0, COPIED
    if alike > 1:
        return 1, EVERY if alike == seeds else SEVERAL.format(alike, seeds)
    return (2, LIKELY) if likely else (3, NO_SIGN)
