"""The vectors of all pictures, training images and prompts, by every measure that there is. What is known stays.

Pictures are kept whole, so that a measure that is installed later needs no second run.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

from ..pictures import read_picture
from ..references import stamp
from .book import Book
from .measures import CLIP, Measure


def describe_all(book: Book, similarity: Sequence[Measure], clip: CLIP | None, tick: Callable[[], object]) -> None:
    """Raises ValueError naming a picture that cannot be read."""
    for file in book.files():
        path = book.folder / file
        _describe(book, file, path, [*similarity, clip] if clip else similarity)
        tick()
    for (path,) in book.connection.execute("SELECT DISTINCT path FROM training ORDER BY path").fetchall():
        _describe(book, path, Path(path), similarity)
        tick()
    if clip:
        for number, caption in book.connection.execute("SELECT id, caption FROM prompts").fetchall():
            if book.vector(f"prompt {number}", clip.label) is None:
                book.keep(f"prompt {number}", clip.label, "", clip.describe_text(caption))


def _describe(book: Book, source: str, path: Path, measures: Sequence[Measure]) -> None:
    state = stamp(str(path))
    missing = [each for each in measures if (known := book.vector(source, each.label)) is None or known[0] != state]
    if missing:
        picture = read_picture(path, f"the picture {path}")
        for measure in missing:
            book.keep(source, measure.label, state, measure.describe(picture))
