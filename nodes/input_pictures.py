"""Pictures in a folder below ComfyUI's input folder, and nothing outside of it."""

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import ImageOps
from PIL.Image import open as open_picture
from torch import Tensor

from .files import FORBIDDEN, folder_paths

NONE = "none"
FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF")  # PIL reads others by running a program, or not safely
EXTENSIONS = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif")
LONGEST_CAPTION = 10_000  # bytes
MOST_PIXELS, MOST_BYTES, LONGEST_TO_SHORTEST = 64_000_000, 256_000_000, 20
DEVICE = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)  # names that Windows keeps for devices


def input_folders() -> list[str]:
    """NONE and the folders below ComfyUI's input folder, with / between their parts. Links are not followed."""
    if folder_paths is None:
        return [NONE]
    root = folder_paths.get_input_directory()
    found = [os.path.join(above, name) for above, names, _ in os.walk(root) for name in names]
    return [
        NONE,
        *sorted(os.path.relpath(path, root).replace(os.sep, "/") for path in found if not os.path.islink(path)),
    ]


def input_folder(name: str) -> str:
    """The path of a folder below ComfyUI's input folder. ValueError for any other, whatever way leads out."""
    if folder_paths is None:
        raise RuntimeError("folder needs a ComfyUI server, whose input folder it is in: connect references instead.")
    parts, root = name.split("/"), os.path.realpath(folder_paths.get_input_directory())
    odd = FORBIDDEN.search(name) or "\\" in name
    if odd or any(part.strip(". ") == "" or DEVICE.fullmatch(part.strip()) for part in parts):
        raise ValueError(f"folder is {name[:50]!r}: choose one of the folders in ComfyUI's input folder.")
    path = os.path.join(root, *parts)
    if not inside(root, path):
        raise ValueError(f"folder is {name!r}, which leads out of ComfyUI's input folder: choose one inside of it.")
    if not os.path.isdir(path):
        raise ValueError(f"folder is {name!r}, but ComfyUI's input folder has no such folder.")
    return path


def inside(folder: str, path: str) -> bool:
    """Whether a path is below a folder once all links are followed."""
    return os.path.realpath(path).startswith(os.path.join(os.path.realpath(folder), ""))


def picture_files(path: str) -> list[str]:
    """Names of the files in a folder whose extension is that of a picture, in order."""
    return sorted(name for name in os.listdir(path) if name.lower().endswith(EXTENSIONS))


def pictures_in(path: str, names: Sequence[str]) -> Iterator[tuple[str, Tensor | None, str]]:
    """Name and picture of these files in a folder; where there is no picture, why it cannot be read."""
    root = folder_paths.get_input_directory()
    for name in names:
        file = os.path.join(path, name)
        if not inside(root, file):
            yield name, None, "leads out of ComfyUI's input folder"
        elif not os.path.isfile(file):
            yield name, None, "is no file"
        else:
            yield name, *read_picture(file)


def read_picture(file: str) -> tuple[Tensor | None, str]:
    """The first picture in a file, [height, width, 3] in [0, 1], turned as its camera says; or None, and why not."""
    if os.path.getsize(file) > MOST_BYTES:
        return None, f"has more than {MOST_BYTES // 1_000_000} MB"
    try:
        with open_picture(file, formats=FORMATS) as opened:
            width, height = opened.size
            if width * height > MOST_PIXELS:
                return None, f"has {width} x {height} pixels: more than {MOST_PIXELS // 1_000_000} million"
            if max(width, height) > LONGEST_TO_SHORTEST * min(width, height):
                return None, f"has {width} x {height} pixels: too narrow to compare"
            picture = np.asarray(ImageOps.exif_transpose(opened).convert("RGB"))
    except Exception as error:  # a file from anywhere may break a decoder in any way
        return None, f"is no picture that can be read ({type(error).__name__})"
    return torch.from_numpy(picture.astype(np.float32) / 255), ""


def caption(path: str, name: str) -> str:
    """The text beside a picture file, of the same name with .txt, as training sets have it; "" where there is none.

    Raises ValueError for a file that is too large to be one.
    """
    file = Path(path, os.path.splitext(name)[0] + ".txt")
    if not inside(folder_paths.get_input_directory(), str(file)) or not file.is_file():
        return ""
    if file.stat().st_size > LONGEST_CAPTION:
        raise ValueError(f"{file.name} in folder is no caption: it has more than {LONGEST_CAPTION} bytes. Shorten it.")
    return file.read_text(encoding="utf-8", errors="replace").strip()


def changes_of(name: str) -> str:
    """What differs once the pictures of a folder have changed: for nodes that are to run anew then."""
    if name == NONE:
        return ""
    path = input_folder(name)
    stats = [(file, os.lstat(os.path.join(path, file))) for file in picture_files(path)]
    return repr([(file, stat.st_size, stat.st_mtime_ns) for file, stat in stats])
