"""The words of a variant: what a prompt is made of, and what to say of the words that mean nothing to it."""

from collections.abc import Iterable
from dataclasses import dataclass

from .captions import COLOURS, SHAPES, TITLES, words


@dataclass(frozen=True)
class Vocabulary:
    """All words that a variant knows.

    kind     what its things are called
    skipped  words that are as good as not there; any other unknown word dilutes the prompt
    """

    titles: tuple[str, ...]
    colours: tuple[str, ...]
    things: tuple[str, ...]
    kind: str
    skipped: frozenset[str] = frozenset()

    @property
    def words(self) -> tuple[str, ...]:
        """In the order of an embedding's dimensions."""
        return self.titles + self.colours + self.things

    def read(self, prompt: str) -> list[str]:
        """The prompt in lower-case words, without punctuation and what is skipped."""
        return [word for word in words(prompt) if word not in self.skipped]

    def unknown(self, prompt_words: Iterable[str]) -> list[str]:
        return sorted(set(prompt_words) - set(self.words))

    def says_nothing(self, unknown: Iterable[str]) -> str:
        """What to tell about unknown words."""
        known = map(", ".join, (unknown, self.titles[:2], self.colours, self.things))
        return (
            "The memorization testbed does not know {}, which say nothing to it. It knows titles ({} and others), "
            "colours ({}) and " + self.kind + " ({})."
        ).format(*known)


SHAPE_WORDS = Vocabulary(TITLES, COLOURS, SHAPES, "shapes")  # of every variant but scenes
