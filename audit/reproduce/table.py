"""From the vectors to the numbers of each method, over the pictures of one kind of prompts.

to the training image    of each picture the most similar of its prompt's training images
to its own picture       of each picture the one without mitigation, from the same start noise
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from .book import Book
from .methods import PLAIN
from .prompt_lists import MEMORIZED, ORDINARY, TEMPLATE, VERBATIM

GROUPS = {
    "all memorized prompts": MEMORIZED,
    "verbatim": (VERBATIM,),
    "template": (TEMPLATE,),
    "ordinary prompts": (ORDINARY,),
}
COPY = 0.5  # what the paper calls memorized, of SSCD


class Figures(NamedTuple):
    """Of n similarities: the 95th percentile, mean, standard deviation, and the share above COPY."""

    n: int
    high: float
    mean: float
    std: float
    copied: float


class Row(NamedTuple):
    """A method on a group of prompts. clip: mean product of picture and prompt; seconds: median of a picture."""

    method: str
    pictures: int
    training: Figures | None
    own: Figures | None
    clip: float | None
    seconds: float | None


class Picture(NamedTuple):
    prompt: int
    seed: int
    file: str
    seconds: float


def figures(values: Sequence[float]) -> Figures | None:
    """None of no values."""
    if not values:
        return None
    each = np.array(values, dtype=np.float64)
    spread = float(each.std(ddof=1)) if len(each) > 1 else 0.0
    high = float(np.quantile(each, 0.95))
    return Figures(len(each), high, float(each.mean()), spread, float((each > COPY).mean()))


def rows(book: Book, methods: Sequence[str], kinds: Sequence[str], measure: str, clip: str | None) -> list[Row]:
    """Of the methods that have a picture of these kinds. measure, clip: labels of what the vectors are of."""
    plain = {(each.prompt, each.seed): each.file for each in _pictures(book, PLAIN.name, kinds)}
    found = []
    for method in methods:
        if pictures := _pictures(book, method, kinds):
            training = [_to_training(book, each, measure) for each in pictures]
            own = [_to_own(book, each, plain, measure) for each in pictures] if method != PLAIN.name else []
            fit = [_to_prompt(book, each, clip) for each in pictures] if clip else []
            similar, same = (figures([value for value in each if value is not None]) for each in (training, own))
            times = float(np.median([each.seconds for each in pictures]))
            found.append(Row(method, len(pictures), similar, same, float(np.mean(fit)) if fit else None, times))
    return found


def _pictures(book: Book, method: str, kinds: Sequence[str]) -> list[Picture]:
    query = f"""SELECT prompt, seed, file, seconds FROM pictures JOIN prompts ON id = prompt
        WHERE method = ? AND error IS NULL AND kind IN ({", ".join("?" * len(kinds))}) ORDER BY prompt, seed"""
    return [Picture(*row) for row in book.connection.execute(query, (method, *kinds))]


def _vector(book: Book, source: str, measure: str) -> np.ndarray:
    found = book.vector(source, measure)
    assert found is not None, f"{source} is not described by {measure}"
    return found[1]


def _to_training(book: Book, picture: Picture, measure: str) -> float | None:
    query = "SELECT path FROM training WHERE prompt = ?"
    images = [_vector(book, path, measure) for (path,) in book.connection.execute(query, (picture.prompt,))]
    return max((float(_vector(book, picture.file, measure) @ image) for image in images), default=None)


def _to_own(book: Book, picture: Picture, plain: dict[tuple[int, int], str], measure: str) -> float | None:
    file = plain.get((picture.prompt, picture.seed))
    return None if file is None else float(_vector(book, picture.file, measure) @ _vector(book, file, measure))


def _to_prompt(book: Book, picture: Picture, clip: str) -> float:
    return float(_vector(book, picture.file, clip) @ _vector(book, f"prompt {picture.prompt}", clip))
