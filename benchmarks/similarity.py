"""How well each measure of Copy Similarity tells copies from other pictures: ordinary ones that scikit-image ships.

Every picture is changed in eight ways and compared with the whole set; a changed one is a copy of its original, any two
originals are unrelated. Prints the table of docs/similarity.md.
"""

import io
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageEnhance, ImageFilter, ImageOps
from torch import Tensor

from ..metrics.sscd import ONNXSSCD
from ..nodes.input_pictures import read_picture
from ..samplers.copies import CORRELATION, L2, WHOLE, Measure, compare
from ..samplers.sscd import PREPARATIONS, SKEW, cut_to

PICTURES = (
    *("astronaut.png", "camera.png", "chelsea.png", "coffee.png", "coins.png", "brick.png", "grass.png", "gravel.png"),
    *("moon.png", "page.png", "retina.jpg", "rocket.jpg", "hubble_deep_field.jpg", "ihc.png", "motorcycle_left.png"),
    *("horse.png", "logo.png", "clock_motion.png"),
)


def pictures(names: tuple[str, ...] = PICTURES) -> list[Tensor]:
    """[height, width, 3] each, of scikit-image's data, which is read without importing it."""
    spec = find_spec("skimage")
    if spec is None:
        raise RuntimeError("The pictures are scikit-image's: pip install scikit-image")
    folder = Path((spec.submodule_search_locations or [""])[0], "data")
    read = {name: read_picture(str(folder / name)) for name in names}
    return [picture for picture, _ in read.values() if picture is not None]


def middle(share: float) -> Callable[[Image.Image], Image.Image]:
    def cut(image: Image.Image) -> Image.Image:
        size = round(image.width * share), round(image.height * share)
        return ImageOps.fit(image, size, bleed=(1 - share) / 2)

    return cut


def jpeg(image: Image.Image) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "jpeg", quality=20)
    return Image.open(file)


CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "mirrored": ImageOps.mirror,
    "the middle 80 % of each side": middle(0.8),
    "the middle 50 % of each side": middle(0.5),
    "jpeg, quality 20": jpeg,
    "blurred by 1 % of its width": lambda image: image.filter(ImageFilter.GaussianBlur(image.width / 100)),
    "a fifth of its colour": lambda image: ImageEnhance.Color(image).enhance(0.2),
    "60 % of its brightness": lambda image: ImageEnhance.Brightness(image).enhance(0.6),
    "96 pixels wide": lambda image: image.resize((96, 96 * image.height // image.width)),
}


def changed(picture: Tensor, change: Callable[[Image.Image], Image.Image]) -> Tensor:
    image = Image.fromarray((picture.numpy() * 255).round().astype(np.uint8))
    return torch.from_numpy(np.asarray(change(image).convert("RGB")).astype(np.float32) / 255)


def sscd() -> Measure:
    network = ONNXSSCD()
    return Measure(lambda picture, weight: network(cut_to(picture, weight), PREPARATIONS[SKEW]))


def separation(measure: Measure, originals: list[Tensor]) -> dict[str, Tensor]:
    """Scores of copies by change, [pictures], and of every two unrelated pictures."""
    found = {"unrelated": compare(measure, originals, originals)[WHOLE]}
    found["unrelated"] = found["unrelated"][~torch.eye(len(originals), dtype=torch.bool)]
    for name, change in CHANGES.items():
        copies = [changed(picture, change) for picture in originals]
        found[name] = compare(measure, copies, originals)[WHOLE].diagonal()
    return found


def main() -> None:
    originals = pictures()
    measures = {"SSCD (int8)": sscd(), "pixel correlation": CORRELATION, "l2 among neighbours": L2}
    tables = {name: separation(measure, originals) for name, measure in measures.items()}
    print("| " + " | ".join(["change", *(f"{name}: lowest, mean" for name in tables)]) + " |")
    print("|---" * (1 + len(tables)) + "|")
    for change in CHANGES:
        cells = [f"{table[change].min():.2f}, {table[change].mean():.2f}" for table in tables.values()]
        print("| " + " | ".join([change, *cells]) + " |")
    cells = [f"highest {t['unrelated'].max():.2f}, mean {t['unrelated'].mean():.2f}" for t in tables.values()]
    print("| " + " | ".join(["unrelated", *cells]) + " |")
