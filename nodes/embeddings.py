"""SSCD vectors of references, remembered on the disk: a folder of a thousand takes minutes on a CPU, each time.

    user/__basin_escape/sscd/<network>/<picture>.f32

Both names are SHA-256 of a content, so that nothing is ever out of date; a file is the vector's float32 and nothing
else. The folder may be deleted at any time. `__` keeps it from the web, as for thresholds.py.
"""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from ..metrics.sscd import ONNXSSCD, TorchScriptSSCD
from ..samplers.sscd import Preparation
from .files import folder_paths, write_whole
from .thresholds import FOLDER


def remembered(network: TorchScriptSSCD | ONNXSSCD, preparation: Preparation, name: str) -> Callable[[Tensor], Tensor]:
    """The vector of a picture [height, width, 3], from the disk where it is there; `name` of the preparation.

    Without a server nothing is remembered.
    """
    if folder_paths is None:
        return lambda picture: network(picture, preparation)
    folder = Path(folder_paths.get_user_directory(), FOLDER, "sscd", network.fingerprint)
    os.makedirs(folder, exist_ok=True)

    def vector(picture: Tensor) -> Tensor:
        path = folder / f"{content(picture, name)}.f32"
        if (known := read(path)) is not None:
            return known
        made = network(picture, preparation).cpu()
        write_whole(str(path), lambda unfinished: Path(unfinished).write_bytes(made.numpy().astype("<f4").tobytes()))
        return made

    return vector


def content(picture: Tensor, name: str) -> str:
    values = picture.detach().float().cpu().contiguous().numpy().astype("<f4")
    return hashlib.sha256(f"{name} {values.shape} ".encode() + values.tobytes()).hexdigest()


def read(path: Path) -> Tensor | None:
    """A vector of length 1; None where there is no such file, or it holds anything else."""
    try:
        found = torch.frombuffer(bytearray(path.read_bytes()), dtype=torch.float32)
    except (OSError, ValueError):
        return None
    return found if abs(found.norm().item() - 1) < 1e-3 else None
