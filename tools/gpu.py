"""`make test-gpu`: what can only be seen on a GPU, unattended, into one file to attach: output/gpu.json.

Runs with the Python that it is started with, on the ComfyUI that this finds: the host tests on the card, those of the
families once more in half precision and with little memory, on two cards if there are two, and `make bench` on the
card, which also counts how often the host waits for it in each model call. A suite that fails does not end the others.
"""

import importlib
import importlib.util
import json
import os
import subprocess
import sys
import time
import xml.etree.ElementTree as Xml
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parent.parent
OUTPUT = ROOT / "output"
FAMILIES = ["tests/host/test_families.py", "tests/host/test_families_methods.py"]
SUITES = {  # name: ComfyUI's options, and what is run under them
    "on the card": ("", ["tests/host", "-m", ""]),
    "half precision": ("--fp16-unet", [*FAMILIES, "-m", ""]),
    "low memory": ("--lowvram", [*FAMILIES, "-m", ""]),
}


def cards() -> list[dict]:
    properties = [torch.cuda.get_device_properties(n) for n in range(torch.cuda.device_count())]
    return [{"name": card.name, "memory, GB": round(card.total_memory / 2**30, 1)} for card in properties]


def host() -> str:
    known = importlib.util.find_spec("comfyui_version")  # of a checkout
    return importlib.import_module("comfyui_version").__version__ if known else "library of November 2024"


def run(options: str, *command: str) -> float:
    """Seconds that a command of this Python took under these options of ComfyUI."""
    started = time.perf_counter()
    subprocess.run([sys.executable, *command], cwd=ROOT, env={**os.environ, "COMFYUI_ARGS": options}, check=False)
    return round(time.perf_counter() - started, 1)


def suite(options: str, tests: list[str]) -> dict:
    """Counts, and the first line of each failure by the name of its test."""
    report = OUTPUT / "gpu-suite.xml"
    report.unlink(missing_ok=True)
    seconds = run(options, "-m", "pytest", "-q", f"--junitxml={report}", *tests)
    return {"options": options, "seconds": seconds, **(outcomes(report) if report.exists() else {"error": "no report"})}


def outcomes(report: Path) -> dict:
    found: dict = {"passed": 0, "skipped": 0, "failed": {}}
    for case in Xml.parse(report).iter("testcase"):
        wrong = [part for kind in ("failure", "error") for part in case.findall(kind)]
        if wrong:
            name = f"{case.get('classname')}::{case.get('name')}"
            found["failed"][name] = (wrong[0].get("message") or "").partition("\n")[0]
        else:
            found["passed" if case.find("skipped") is None else "skipped"] += 1
    return found


def bench() -> dict:
    file = OUTPUT / "gpu-bench.json"
    file.unlink(missing_ok=True)
    run("", "tools/pack.py", "benchmarks.cost.overhead", str(file))
    return json.loads(file.read_text(encoding="ascii")) if file.exists() else {"error": "did not finish"}


def main() -> None:
    if not torch.cuda.is_available():
        return print("Not run: this PyTorch finds no GPU.")
    OUTPUT.mkdir(exist_ok=True)
    found = {"cards": cards(), "torch": torch.__version__, "comfyui": host()}
    found["suites"] = {name: suite(*how) for name, how in SUITES.items()}
    found["bench"] = bench()
    (OUTPUT / "gpu.json").write_text(json.dumps(found, indent=1) + "\n", encoding="ascii")
    print("output/gpu.json")


if __name__ == "__main__":
    main()
