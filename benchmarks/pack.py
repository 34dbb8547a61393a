"""Load the pack the way ComfyUI does, under the name `basin_escape`, on the CPU-only PyPI host or a checkout."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parent.parent
NAME = "basin_escape"


def load_pack() -> ModuleType:
    if NAME in sys.modules:
        return sys.modules[NAME]
    import comfy.cli_args

    comfy.cli_args.args.cpu = True
    spec = importlib.util.spec_from_file_location(NAME, ROOT / "__init__.py", submodule_search_locations=[str(ROOT)])
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[NAME] = module
    spec.loader.exec_module(module)
    return module
