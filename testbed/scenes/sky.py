"""The sky of a scene: bands of colour, sun or moon, clouds, and now and then a rainbow, birds or northern lights."""

import numpy as np
from numpy.random import RandomState

from .canvas import COLUMN, ROW, SIZE, disc, paint, rgb

BANDS = 7
# The row of sun or moon from and to, and its radius from and to; at sunset the row is from the horizon.
LIGHTS = {
    "noon": (3.5, 7.5, 2.4, 2.8),
    "sunset": (-4, 1, 3.5, 5),
    "night": (3.5, 7.5, 2.5, 4),
    "winter": (3.5, 7.5, 2, 2.4),
}
CLOUDS = {"noon": 4, "sunset": 4, "night": 2, "winter": 3}  # fewer than so many
RAINBOW = ("e8554a", "f6a040", "f8e060", "6cc468", "4a90e0", "8a68c8")
NORTHERN_LIGHTS = ("58f0a0", "d070d8")


def sky(
    random: RandomState,
    mood: str,
    horizon: int,
    high: np.ndarray,
    low: np.ndarray,
    light: np.ndarray,
    cloud: np.ndarray,
) -> tuple[np.ndarray, float]:
    """The image above the horizon, in four colours, and the column of sun or moon."""
    depth = (np.floor((ROW / horizon).clip(0, 1) * BANDS) / (BANDS - 1)).clip(0, 1)
    image = high[:, None, None] * (1 - depth) + low[:, None, None] * depth
    if mood == "night":
        image = paint(image, (random.rand(SIZE, SIZE) < 0.035) & (horizon > ROW), light, 0.8)
    image = _something_rare(image, random, mood, horizon)
    image, column = _shining(image, random, mood, horizon, light)
    for _ in range(random.randint(CLOUDS[mood])):
        image = paint(image, _cloud(random, horizon), cloud, 0.85)
    return image, column


def _shining(
    image: np.ndarray, random: RandomState, mood: str, horizon: int, colour: np.ndarray
) -> tuple[np.ndarray, float]:
    """With sun or moon and the glow around it; the moon may be a crescent."""
    high, low, small, large = LIGHTS[mood]
    column, row, radius = random.uniform(3.5, 27.5), random.uniform(high, low), random.uniform(small, large)
    row += horizon if mood == "sunset" else 0
    for size in (2, 1.5):
        image = paint(image, disc(column, row, radius * size), colour, 0.18)
    light = disc(column, row, radius)
    if random.rand() < 0.6 and mood == "night":
        light = (light - disc(column + 0.6 * radius, row - 0.25 * radius, 0.9 * radius)).clip(0, 1)
    return paint(image, light, colour), column


def _cloud(random: RandomState, horizon: int) -> np.ndarray:
    """Three ellipses, flat below: [32, 32]."""
    column, row, width = random.uniform(2, 30), random.uniform(3, horizon - 4), random.uniform(3, 6)
    cover = np.zeros((SIZE, SIZE))
    for across, down, size in ((0, 0, 1), (-0.55, 0.55, 0.6), (0.55, 0.45, 0.65)):
        x, y = (COLUMN - column - across * width) / (0.62 * size * width), (ROW - row - down) / (1.7 * size)
        cover = np.maximum(cover, (3.2 - 2.4 * np.hypot(x, y)).clip(0, 1))
    return cover * (row + 0.7 > ROW)


def _something_rare(image: np.ndarray, random: RandomState, mood: str, horizon: int) -> np.ndarray:
    """In one landscape of three: a rainbow at noon, birds at sunset, northern lights at night."""
    there, place, size = random.rand() < 1 / 3, random.uniform(6, 26), random.uniform(9, 14)
    if not there:
        return image
    if mood == "noon":
        distance = np.hypot(COLUMN - place, ROW - horizon - 1)
        for ring, code in enumerate(RAINBOW):
            image = paint(image, (abs(distance - size + ring) <= 0.5) & (horizon > ROW), rgb(code), 0.75)
    if mood == "sunset":
        for bird in range(4):
            column, row = int(place + 5 * (bird - 2)), int(size / 2 + abs(bird - 1.4))
            wings = ((row == ROW) & (abs(COLUMN - column) == 1)) | ((row + 1 == ROW) & (column == COLUMN))
            image = paint(image, wings, rgb("2a1a30"), 0.8)
    if mood == "night":
        hem = 8 + 2.5 * np.sin((COLUMN + 3 * place) / size * 3) + 1.5 * np.sin(COLUMN / size * 8 + place)
        for code, lift in zip(NORTHERN_LIGHTS, (0, 4), strict=True):
            above = hem - lift - ROW
            image = paint(image, (above >= 0) * (1 - above / 7).clip(0, 1), rgb(code), 0.5)
    return image
