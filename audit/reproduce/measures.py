"""How alike two pictures are, and how well a picture fits its prompt: products of vectors of length one.

pixels      of the audit: correlation of the pixels
sscd        Pizzi et al. (CVPR 2022), disc_mixup at 320 x 320 and ImageNet's mean and deviation, as its authors advise
sscd large  disc_large at the middle 224 of 256 pixels, to [-1, 1]: as Somepalli, Wen, Jeon and Zhao et al. released it
clip        Radford et al. (ICML 2021) by open_clip, of a picture and a text
"""

from argparse import Namespace
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from PIL import Image

from ..measures import measure_of

MEAN, DEVIATION = np.array([0.485, 0.456, 0.406], np.float32), np.array([0.229, 0.224, 0.225], np.float32)


class Measure(Protocol):
    label: str  # what it is, by which its vectors are kept

    def describe(self, picture: Image.Image) -> np.ndarray: ...


class OfAudit:
    """One of the audit's, by its name there. Raises ValueError where its packages are missing."""

    def __init__(self, name: str, label: str):
        self.label, self.describe = label, measure_of(name).describe


class Network:
    """A network in TorchScript, of [1, 3, height, width]. Raises ValueError for a file that is none."""

    def __init__(self, label: str, path: Path, prepare: Callable[[Image.Image], np.ndarray]):
        torch = torch_for(f"--{label.replace(' ', '-')}")
        self.label, self.prepare, self.torch = f"{label} ({path.name})", prepare, torch
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        try:
            self.network = torch.jit.load(str(path), map_location=self.device).eval()
        except (OSError, RuntimeError, ValueError) as error:
            raise ValueError(f"{path} is no network in TorchScript ({str(error)[:200]}).") from error

    def describe(self, picture: Image.Image) -> np.ndarray:
        """[dimensions] float32 of length one."""
        with self.torch.inference_mode():
            prepared = self.torch.from_numpy(self.prepare(picture)).to(self.device)
            return unit(self.network(prepared)[0].float().cpu().numpy())


class CLIP:
    """MODEL:WEIGHTS as open_clip names them, which fetches the weights once. Raises ValueError for what it has not."""

    def __init__(self, name: str):
        self.label, self.torch = f"clip ({name})", torch_for("--clip")
        try:
            import open_clip
        except ImportError as error:
            raise ValueError("--clip needs open_clip: python -m pip install open_clip_torch.") from error
        model, _, weights = name.partition(":")
        self.device = "cuda" if self.torch.cuda.is_available() else "cpu"
        try:
            made = open_clip.create_model_and_transforms(model, pretrained=weights or None, device=self.device)
            self.model, self.prepare, self.tokens = made[0].eval(), made[2], open_clip.get_tokenizer(model)
        except (RuntimeError, OSError, ValueError) as error:
            raise ValueError(f"--clip {name}: {str(error)[:300]}") from error

    def describe(self, picture: Image.Image) -> np.ndarray:
        with self.torch.inference_mode():
            return unit(self.model.encode_image(self.prepare(picture)[None].to(self.device))[0].float().cpu().numpy())

    def describe_text(self, text: str) -> np.ndarray:
        with self.torch.inference_mode():
            return unit(self.model.encode_text(self.tokens([text]).to(self.device))[0].float().cpu().numpy())


def measures_of(options: Namespace) -> tuple[list[Measure], CLIP | None, list[str]]:
    """Those of similarity, best first, that of the text, and what is missing, with how to get it.

    Raises ValueError for one that was asked for and cannot be had.
    """
    found, missing = [], []
    if options.sscd:
        found.append(Network("sscd", options.sscd, skewed))
    else:
        try:
            found.append(OfAudit("sscd", "sscd (disc_mixup, int8 weights)"))
        except ValueError as error:
            missing.append(f"sscd: give --sscd, or install it. {error}")
    if options.sscd_large:
        found.append(Network("sscd large", options.sscd_large, cropped))
    else:
        missing.append("sscd large: give --sscd-large")
    if not options.clip:
        missing.append("clip: give --clip ViT-g-14:laion2b_s12b_b42k, with open_clip_torch installed")
    return [*found, OfAudit("pixels", "pixels")], CLIP(options.clip) if options.clip else None, missing


def torch_for(option: str) -> Any:
    try:
        import torch
    except ImportError as error:
        raise ValueError(f"{option} needs torch: call this with ComfyUI's own Python.") from error
    return torch


def skewed(picture: Image.Image) -> np.ndarray:
    """[1, 3, 320, 320], whatever the shape of the picture."""
    small = picture.resize((320, 320), Image.Resampling.BILINEAR)
    return _channels_first((np.asarray(small, np.float32) / 255 - MEAN) / DEVIATION)


def cropped(picture: Image.Image) -> np.ndarray:
    """[1, 3, 224, 224]: the middle of the picture with its shorter side at 256."""
    sides = [256 * side // min(picture.size) for side in picture.size]
    small = picture.resize(sides, Image.Resampling.BILINEAR)
    left, top = (round((side - 224) / 2) for side in small.size)
    middle = small.crop((left, top, left + 224, top + 224))
    return _channels_first(np.asarray(middle, np.float32) / 127.5 - 1)


def _channels_first(pixels: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(pixels.transpose(2, 0, 1)[None])


def unit(vector: np.ndarray) -> np.ndarray:
    return (vector / np.linalg.norm(vector)).astype(np.float32)
