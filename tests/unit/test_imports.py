"""What an import may bring along, each seen in a Python of its own."""

import subprocess
import sys

import pytest
from basin_escape.tools.pack import ROOT

PURE = tuple(path.stem for path in (ROOT / "samplers").glob("*.py") if path.stem != "__init__")


def modules_after(code):
    """The top-level modules that are loaded after `code`."""
    code += "\nimport sys; print(*{name.partition('.')[0] for name in sys.modules})"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT / "tools"
    )
    return set(result.stdout.split())


def test_the_pure_rules_import_torch_alone():
    assert {"guidance", "transition", "run", "trace"} <= set(PURE)
    code = f"""
import importlib, sys, types
package = types.ModuleType("samplers")
package.__path__ = [{str(ROOT / "samplers")!r}]
sys.modules["samplers"] = package
for name in {PURE!r}:
    importlib.import_module("samplers." + name)
"""
    assert modules_after(code) & {"comfy", "numpy", "matplotlib", "torch"} <= modules_after("import torch")


@pytest.mark.parametrize("command", ["audit", "audit.reproduce"])
def test_the_audit_imports_neither_torch_nor_comfyui(command):
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import {command}.__main__"
    assert {"audit", "numpy"} <= modules_after(code)
    assert not {"torch", "comfy", "matplotlib", "ray"} & modules_after(code)


def test_the_pack_does_not_import_matplotlib_before_a_plot_is_drawn():
    assert "matplotlib" not in modules_after("from pack import load_pack; load_pack()")
