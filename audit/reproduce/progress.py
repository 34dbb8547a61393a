"""How far a reproduction is: what is to be done yet, how long that takes, and what is not done for good reason."""

from collections.abc import Sequence

from .book import Book, Start
from .methods import METHODS


def pending(book: Book, starts: Sequence[Start]) -> list[Start]:
    """Those without a picture, in their order."""
    done = book.done()
    return [start for start in starts if (start.method, start.prompt, start.seed) not in done]


def time_left(book: Book, missing: Sequence[Start], servers: int) -> float | None:
    """Seconds, by the mean time of each method; of one that has none yet that of all. None as long as there is none."""
    known = book.seconds()
    if not known:
        return None
    usual = sum(known.values()) / len(known)
    return sum(known.get(start.method, usual) for start in missing) / servers


def reasons(book: Book, starts: Sequence[Start]) -> dict[str, str]:
    """By method, why pictures of it are not there."""
    query = "SELECT method, count(*), min(error) FROM pictures WHERE error IS NOT NULL GROUP BY method"
    failed = {method: f"{count} failed: {error}" for method, count, error in book.connection.execute(query)}
    asked = {start.method for start in starts}
    alternatives = {
        each.name: "it needs other ways to say each prompt (--alternatives)"
        for each in METHODS
        if each.needs_alternatives and each.name not in asked
    }
    return alternatives | failed
