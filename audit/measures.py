"""How alike two pictures are: each is described by a vector of length one, and two vectors by their product.

A measure of another kind (SSCD) is one more class here, with a name, what counts as a copy, and `describe`.
"""

import numpy as np
from PIL import Image


class Pixels:
    """Correlation of the pixels, each picture less its mean, at 32 x 32: it sees copies that are in the same place.

    1 for the same picture, about 0 for others; crops and mirrored copies are not seen.
    """

    name = "pixels"
    copy = 0.9  # from here on one picture is a copy of another: the testbed's line (testbed/judge.py)
    side = 32

    def describe(self, picture: Image.Image) -> np.ndarray:
        """[3 * 32 * 32] float32 of length one; zeros for a picture of one colour, which resembles nothing."""
        small = picture.resize((self.side, self.side), Image.Resampling.BOX)
        values = np.asarray(small, dtype=np.float32).ravel()
        values = values - values.mean()
        length = float(np.linalg.norm(values))
        return values / length if length > 1e-3 else np.zeros_like(values)


MEASURES = {Pixels.name: Pixels}


def agreement(vectors: np.ndarray) -> float:
    """The median of the similarities of all pairs of two or more pictures [n, d]."""
    similar = vectors @ vectors.T
    return float(np.median(similar[np.triu_indices(len(vectors), 1)]))


def alike(vectors: np.ndarray, copy: float) -> int:
    """How many of the pictures [n, d] are copies of one among them, that one counted."""
    similar = vectors @ vectors.T >= copy
    np.fill_diagonal(similar, True)
    return int(similar.sum(1).max())


def nearest(vectors: np.ndarray, references: np.ndarray) -> tuple[float, int]:
    """The highest similarity of any picture [n, d] to any reference [m, d], and that reference's number."""
    best = (vectors @ references.T).max(0)
    return float(best.max()), int(best.argmax())
