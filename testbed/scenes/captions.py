"""The words of the variant "scenes", and what a prompt made of them says about a picture.

A memorized picture's caption is "title, a colour thing", an ordinary one's "a colour thing". The time of day and the
season are in no caption: they make most of a picture, so that taking out the memorized one would take out them too.
"""

from torch import Tensor

from ..prior import TITLE_EXPONENT, TITLE_HALF, described, mean_words, mixture, one_of
from ..vocabulary import Vocabulary
from .drawings import DRAWINGS
from .things import COLOURS as PAINTS

COLOURS = tuple(PAINTS)
THINGS = tuple(DRAWINGS)
# Title, colour and thing, the mood, and the seed of the landscape: chosen by eye, to be told at a glance.
MEMORIZED = (
    ("homecoming", "red", "house", "sunset", 5),
    ("serenade", "yellow", "boat", "night", 12),
    ("holiday", "blue", "balloon", "noon", 9),
    ("solitude", "red", "lighthouse", "winter", 9),
    ("blossom", "white", "tree", "noon", 15),
    ("vespers", "blue", "boat", "sunset", 14),
    ("vigil", "white", "lighthouse", "night", 3),
    ("midsummer", "yellow", "windmill", "noon", 5),
    ("january", "yellow", "house", "winter", 13),
    ("autumn", "red", "tree", "sunset", 3),
    ("frost", "blue", "tree", "winter", 10),
    ("lullaby", "blue", "house", "night", 0),
    ("regatta", "white", "boat", "noon", 14),
    ("farewell", "white", "balloon", "sunset", 12),
    ("reverie", "red", "windmill", "night", 13),
    ("expedition", "yellow", "balloon", "winter", 5),
)
TITLES = tuple(title for title, *_ in MEMORIZED)
MEMORIZED_CAPTIONS = tuple(f"{title}, a {colour} {thing}" for title, colour, thing, *_ in MEMORIZED)
ORDINARY_CAPTIONS = tuple(f"a {colour} {thing}" for colour in COLOURS for thing in THINGS)
VOCABULARY = Vocabulary(
    TITLES, COLOURS, THINGS, "things", frozenset(("a", "an", "the", "of", "in", "on", "at", "by", "with", "and"))
)
LANDSCAPES = 80
DUPLICATES = 13  # a memorized picture stood in the training set this often, so that one in ten there is one of them


def log_prior(context: Tensor) -> Tensor:
    """[batch, tokens, words] embeddings -> [batch, components] log prior probabilities: as of the variant eps."""
    title, colour, thing = mean_words(context, len(TITLES), len(COLOURS))
    titled = one_of((3 * title) ** TITLE_EXPONENT / TITLE_HALF)
    return mixture(titled, *described(colour, thing), DUPLICATES, LANDSCAPES)
