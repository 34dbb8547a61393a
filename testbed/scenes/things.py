"""What stands, floats or flies in a scene, in any of four colours and in the light of the mood."""

from functools import cache

import numpy as np

from .canvas import SIZE, rgb
from .drawings import DRAWINGS
from .landscape import Landscape

COLOURS = {"red": "e0352b", "yellow": "f8c828", "blue": "3f78f0", "white": "f8f4ea"}
PAINTS = {"W": "f4f0e6", "w": "c8c4bc", "B": "8a5a35", "b": "6a4228", "R": "4a3a48", "K": "2a2630"}
BESIDE_WHITE = {"W": "a8a4b8", "w": "8c88a0"}  # stripes
LAMP, PANE, SNOW = "ffec84", "88b8d8", "f8faff"
SHADE = 0.72
LIGHT = {"sunset": (0.92, 0.86, 0.82), "night": (0.84, 0.82, 0.9)}  # on a thing's red, green and blue


@cache
def stamp(thing: str, colour: str, mood: str) -> tuple[np.ndarray, np.ndarray]:
    """The thing alone in the light of a mood, [3, height, width], and where it is, [height, width]."""
    paints = _paints(thing, colour, mood)
    letters = [list(row) for row in DRAWINGS[thing].split()]
    pixels = np.array([[paints[letter] for letter in row] for row in letters])
    return pixels.transpose(2, 0, 1), np.array(letters) != "."


def _paints(thing: str, colour: str, mood: str) -> dict[str, np.ndarray]:
    """Every letter's colour, [3] in [-1, 1]."""
    codes = {"C": COLOURS[colour], **PAINTS, **(BESIDE_WHITE if colour == "white" and thing != "windmill" else {})}
    if mood == "winter" and thing == "house":
        codes["R"] = SNOW
    found = {letter: rgb(code) for letter, code in codes.items()}
    found["c"] = SHADE * (found["C"] + 1) - 1
    lit = {letter: np.array(LIGHT.get(mood, (1, 1, 1))) * (value + 1) - 1 for letter, value in found.items()}
    shines = mood in LIGHT or thing == "lighthouse"
    return {**lit, "L": rgb(LAMP if shines else PANE), ".": np.zeros(3)}


def with_thing(scene: Landscape, thing: str, colour: str) -> np.ndarray:
    """The landscape with the thing in its place: [3, 32, 32]."""
    pixels, there = stamp(thing, colour, scene.mood)
    height, width = there.shape
    bottom, middle = _place(scene, thing, height, width)
    top, left = min(bottom, SIZE) - height, int(np.clip(middle - width / 2, 0, SIZE - width))
    image = scene.image.copy()
    part = image[:, top : top + height, left : left + width]
    part[:] = np.where(there, pixels, part)
    return image


def _place(scene: Landscape, thing: str, height: int, width: int) -> tuple[int, float]:
    """The row below it, and the column of its middle."""
    if thing == "balloon":
        column, row = scene.sky
        return int(row) + height, column
    if thing == "boat":
        return min(int((scene.horizon + scene.shore.min()) / 2 + 3.5), 27), scene.place
    left = int(scene.place - width / 2)
    return int(scene.shore[max(left, 0) : left + width].mean() + 2), scene.place
