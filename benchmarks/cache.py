"""Results on disk: what is finished is not computed again, and several processes share the work."""

import ast
import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor

from ..tools.pack import ROOT

FOLDER = ROOT / "output" / "bench-paper"


def place(what: object, files: Iterable[Path]) -> Path:
    """Where the result of a job is kept: named by all that it depends on.

    what   the job, in the words of its repr, the version of the code that does it among them
    files  of the model: weights, and code, of which names of imports, comments and docstrings do not count
    """
    key = hashlib.sha256(repr(what).encode())
    for file in files:
        key.update(_code(file) if file.suffix == ".py" else file.read_bytes())
    return FOLDER / f"{key.hexdigest()[:24]}.safetensors"


def keep(path: Path, result: dict[str, Tensor], notes: dict[str, str] | None = None) -> None:
    """Write a result in one step, so that nobody reads half of it; `notes` go into the file's header."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(f".{os.getpid()}")
    save_file({name: tensor.contiguous() for name, tensor in result.items()}, unfinished, notes)
    unfinished.replace(path)


def _code(file: Path) -> bytes:
    """What a Python file does, and nothing else."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [part for part in body if not _says_nothing(part)]
    return ast.unparse(tree).encode()


def _says_nothing(part: ast.stmt) -> bool:
    docstring = isinstance(part, ast.Expr) and isinstance(part.value, ast.Constant)
    return docstring or isinstance(part, ast.Import | ast.ImportFrom)
