"""A landscape of the variant "scenes": a sky, hills, a lake and its shore, like a poster in a few flat colours."""

from dataclasses import dataclass

import numpy as np
from numpy.random import RandomState

from .canvas import COLUMN, ROW, SIZE, paint, rgb
from .sky import sky

# The sky at the top and at the horizon, sun or moon, clouds, far hills, water, shore.
PALETTES = {
    "noon": (
        "3d8ee0 bfe4f5 fff3a0 ffffff 7fa5c8 3f8bd0 6fae4a",
        "18a5b8 d8f0d0 fff7c0 ffffff 5e9a8a 2fa7b0 d8b85a",
        "8cd0f4 fdf0d8 fff5b0 ffffff e8a8b0 6cc3dd 9ac24f",
        "2f6fd0 a8d4f5 fff3a0 fff5e8 d0805a 2f9ac5 e0a860",
        "58b0e8 e8f0c0 fffbd0 ffffff 4f8f5a 4fb0a0 a884d0",
    ),
    "sunset": (
        "3b2a6b ff8a4a ffe08a e0607a 5a3a6a a0507a 3a2a3f",
        "d8453a ffd070 fff0b0 f08060 8a3a4a e88a50 5a2f2a",
        "f58fa0 ffe0a8 ff6a4a ffd0c0 a8709a e8a8a8 6a5a70",
        "1f6f7a ffb060 fff0c0 e07a60 2f5f6f c08a60 1f3f45",
        "7a2a5a ff5a5a ffc060 c03a6a 4a1f4a a03a5a 2a1530",
    ),
    "night": (
        "0a1033 2a3f7a f5f0d0 33487f 141c40 1f3060 0c1a1c",
        "041a20 1f5f5a f0ffe0 1f4a4a 0a2a2f 103a40 08181a",
        "1a0f33 5a3a7a ffe8f0 3f2a5a 2a1a45 3a2560 140c20",
        "18284a 6a7fa8 fffbe8 4a5f85 2a3a5a 3a4f75 1a2a35",
        "08080f 222a44 fff0c0 1a2030 0f121c 141a2a 181a14",
    ),
    "winter": (
        "b8cbe0 f4f0f0 fff4d0 ffffff 9fb0c8 a8c4d8 ffffff",
        "5a6aa0 ffd0b0 fff0d8 f0c8c8 7a7aa8 9a9cc8 f4eaf4",
        "d8c0d8 fff0e8 fff8d0 fff5f5 b8a0b8 c0c8dc fff5fa",
        "7a8898 d8dde2 f5f5f5 b5bcc5 4a5a6a 6f8495 eef2f6",
        "3a70b8 c8e4f8 fff8e0 ffffff 3f5f80 4a7ab0 f5faff",
    ),
}
MOODS = tuple(PALETTES)


@dataclass(frozen=True)
class Landscape:
    """A picture without a thing in it, and where things go.

    horizon  the first row of water; shore [32]: the row in which the ground begins, for every column
    place    the column of what stands or floats; sky: column and row of what flies
    """

    image: np.ndarray
    mood: str
    horizon: int
    shore: np.ndarray
    place: float
    sky: tuple[float, float]


def landscape(random: RandomState, mood: str) -> Landscape:
    """One of a mood, all else at random."""
    high, low, light, cloud, far, water, ground = _palette(random, mood)
    horizon, shore = random.randint(14, 20), _shore(random)
    place, height = random.uniform(9, 22), random.uniform(0, 4)
    image, column = sky(random, mood, horizon, high, low, light, cloud)
    image = _with_hills(image, random, horizon, far, snow=mood in ("noon", "winter"))
    image = _with_lake(image, random, horizon, column, (water, low, light))
    image = _with_ground(image, random, shore, ground, contrast=0.5 if mood in ("night", "winter") else 1)
    if mood == "winter":
        image = paint(image, random.rand(SIZE, SIZE) < 0.03, rgb("ffffff"))
    return Landscape(image, mood, horizon, shore, place, (random.uniform(7, 24), height))


def _palette(random: RandomState, mood: str) -> list[np.ndarray]:
    """One of the mood, a little of another one in it."""
    mine, other = random.permutation(len(PALETTES[mood]))[:2]
    share = 0.35 * random.uniform(0, 1) ** 2
    pairs = zip(PALETTES[mood][mine].split(), PALETTES[mood][other].split(), strict=True)
    mixed = [(1 - share) * rgb(a) + share * rgb(b) for a, b in pairs]
    return [(colour + random.uniform(-0.07, 0.07, 3)).clip(-1, 1) for colour in mixed]


def _wave(random: RandomState, low: float, high: float) -> np.ndarray:
    """A cosine of so many periods in a picture: [32]."""
    return np.cos(2 * np.pi * (np.arange(SIZE) / SIZE * random.uniform(low, high) + random.rand()))


def _shore(random: RandomState) -> np.ndarray:
    slope = random.uniform(-0.16, 0.16) * (np.arange(SIZE) - 15.5)
    return random.uniform(24, 28) + slope + random.uniform(0.5, 1.8) * _wave(random, 0.6, 1.4)


def _with_hills(image: np.ndarray, random: RandomState, horizon: int, colour: np.ndarray, snow: bool) -> np.ndarray:
    """Rolling hills, or peaks with snow on the high ones."""
    if random.rand() < 0.5:
        height = random.uniform(3, 8) * (0.45 + 0.35 * _wave(random, 0.6, 1.6) + 0.1 * _wave(random, 2, 3))
        return paint(image, (ROW - horizon + height + 1).clip(0, 1), colour)
    cover = np.zeros((SIZE, SIZE))
    for _ in range(random.randint(2, 5)):
        top, middle, steep = random.uniform(3, 10), random.uniform(0, SIZE), random.uniform(0.6, 1.1)
        cover = (ROW - horizon + top - steep * abs(COLUMN - middle) + 1).clip(0, 1)
        image = paint(image, cover, colour)
        if snow and top > 6:
            image = paint(image, cover * (horizon - top + 2.2 + (COLUMN % 2) > ROW), rgb("ffffff"), 0.85)
    return image


def _with_lake(
    image: np.ndarray, random: RandomState, horizon: int, column: float, colours: tuple[np.ndarray, ...]
) -> np.ndarray:
    """Water below the horizon, in which the sky is seen in strips, and the light below its column."""
    water, low, light = colours
    image = paint(image, horizon <= ROW, water)
    for row in range(horizon + 1, SIZE, 2):
        for _ in range(2):
            start, length = random.randint(0, SIZE), random.randint(2, 7)
            image = paint(image, (row == ROW) & (start <= COLUMN) & (start + length > COLUMN), low, 0.3)
        width = 1 + 0.3 * (row - horizon) * random.uniform(0.5, 1.5)
        image = paint(image, (row == ROW) & (abs(COLUMN - column) <= width), light, 0.65)
    return image


def _with_ground(
    image: np.ndarray, random: RandomState, shore: np.ndarray, colour: np.ndarray, contrast: float
) -> np.ndarray:
    """The shore, light at its edge, with tufts."""
    depth = ROW - shore
    cover = (depth + 1).clip(0, 1)
    image = paint(image, cover, colour)
    image = paint(image, cover * (1.1 - depth).clip(0, 1), (colour + 0.24 * contrast).clip(-1, 1), 0.7)
    return paint(image, (random.rand(SIZE, SIZE) < 0.1) & (depth > 2), (colour - 0.24 * contrast).clip(-1, 1))
