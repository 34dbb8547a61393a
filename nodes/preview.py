"""A picture on the node that made it, as Preview Image shows one."""

import os
import uuid
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from .files import folder_paths, write_whole


def to_picture(image: Tensor) -> Image.Image:
    """The first image of a batch [1, height, width, 3] in [0, 1]."""
    return Image.fromarray((image[0].numpy() * 255).round().astype(np.uint8))


def preview(image: Tensor) -> dict[str, Any]:
    """The `ui` part of a node's result, from an image [1, height, width, 3] in [0, 1].

    The picture is a file in ComfyUI's temp folder; its name is new, so that no browser shows an older one.
    Empty without a server.
    """
    if folder_paths is None:
        return {}
    temp = folder_paths.get_temp_directory()
    prefix = f"basin_escape_{uuid.uuid4().hex}"
    folder, name, _, subfolder, _ = folder_paths.get_save_image_path(prefix, temp)
    file = f"{name}.png"
    write_whole(os.path.join(folder, file), lambda path: to_picture(image).save(path, format="png"))
    return {"images": [{"filename": file, "subfolder": subfolder, "type": "temp"}]}
