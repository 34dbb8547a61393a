"""Pictures from outside: opened as what they say they are, and no larger than memory allows."""

import io
from pathlib import Path

from PIL import Image, ImageOps

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF")  # those that Pillow reads without another program
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif")
LARGEST = 64_000_000  # pixels
SMALL = 256  # the longer side of the pictures that are kept


class BadPicture(ValueError):
    """A file that is no picture, or is cut off."""


class TooLarge(BadPicture):
    """A picture of more pixels than are read."""


def check_picture(source: Path | bytes, name: str) -> None:
    """Look at the head of a file alone. Raises BadPicture, which `name` begins."""
    _read(source, name, whole=False)


def read_picture(source: Path | bytes, name: str) -> Image.Image:
    """The picture of a file or of its bytes, in RGB and upright. Raises BadPicture, which `name` begins."""
    return _read(source, name, whole=True)


def _read(source: Path | bytes, name: str, whole: bool) -> Image.Image:
    try:
        with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source, formats=FORMATS) as image:
            if image.width * image.height > LARGEST:
                raise TooLarge(f"{name} has {image.width} x {image.height} pixels, {LARGEST} at most are read.")
            return ImageOps.exif_transpose(image).convert("RGB") if whole else image
    except BadPicture:
        raise
    except Exception as error:  # Pillow's readers raise many kinds for files that are cut off or forged
        raise BadPicture(f"{name} is no picture that can be read ({error}).") from error


def small_jpeg(image: Image.Image, side: int = SMALL) -> bytes:
    """A picture for the report, at most `side` pixels wide and high."""
    small = image.copy()
    small.thumbnail((side, side))
    buffer = io.BytesIO()
    small.save(buffer, format="JPEG", quality=88)
    return buffer.getvalue()
