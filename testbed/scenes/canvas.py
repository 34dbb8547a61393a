"""What scenes are painted on: [3, 32, 32] numpy arrays in [-1, 1], by colour, row and column."""

import numpy as np

SIZE = 32
ROW, COLUMN = np.mgrid[:SIZE, :SIZE].astype(float)


def rgb(code: str) -> np.ndarray:
    """[3] in [-1, 1] of a hexadecimal code."""
    return np.array([int(code[i : i + 2], 16) for i in (0, 2, 4)]) / 127.5 - 1


def paint(image: np.ndarray, cover: np.ndarray, colour: np.ndarray, strength: float = 1.0) -> np.ndarray:
    """The image with a colour [3] over it, as far as `cover` [32, 32], from 0 to 1, goes."""
    return image + strength * cover * (colour[:, None, None] - image)


def disc(column: float, row: float, radius: float) -> np.ndarray:
    """[32, 32] with an edge of one pixel."""
    return (radius + 0.5 - np.hypot(COLUMN - column, ROW - row)).clip(0, 1)
