"""The one way to load the pack outside of ComfyUI: `python tools/pack.py benchmarks.demo [arguments]`.

Puts the host on the CPU (or under the options in COMFYUI_ARGS), loads the pack as ComfyUI does (from its folder, under
a name of its own), and runs `main` of a module below it. Modules import each other relatively, tests as basin_escape.*;
the root is never on sys.path, where its `nodes` would hide ComfyUI's.
"""

import importlib
import importlib.util
import os
import shlex
import sys
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parent.parent
NAME = "basin_escape"


def load_pack() -> ModuleType:
    if NAME in sys.modules:
        return sys.modules[NAME]
    set_options(shlex.split(os.environ.get("COMFYUI_ARGS", "--cpu")))
    spec = importlib.util.spec_from_file_location(NAME, ROOT / "__init__.py", submodule_search_locations=[str(ROOT)])
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[NAME] = module
    spec.loader.exec_module(module)
    return module


def set_options(options: list[str]) -> None:
    """Of the host, as if it had been started with them."""
    from comfy.cli_args import args, parser

    usual, chosen = vars(parser.parse_args([])), vars(parser.parse_args(options))
    vars(args).update({name: value for name, value in chosen.items() if value != usual[name]})


if __name__ in ("__main__", "__mp_main__"):  # the latter in the processes that a benchmark starts
    load_pack()

if __name__ == "__main__":
    importlib.import_module(f"{NAME}.{sys.argv.pop(1)}").main()
