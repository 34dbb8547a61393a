"""What `make bench` measures in processes of their own: loading the pack, and the most memory that a variant holds."""

import json
import resource
import statistics
import subprocess
import sys

from ...tools.pack import ROOT
from .sampling import VARIANTS, sampling
from .sd15 import load_sd15, prompt

ROUNDS = 7
LOADER = ROOT / "tools" / "pack.py"
# The host with its server, where there is one, and then the pack, timed.
IMPORT = """
import contextlib, json, sys, time
sys.path.append(sys.argv[1])
import comfy.cli_args
comfy.cli_args.args.cpu = True
import comfy.sample, comfy.sd
with contextlib.suppress(ImportError):
    import server, nodes
from pack import load_pack
started = time.perf_counter()
load_pack()
print(json.dumps({"milliseconds": (time.perf_counter() - started) * 1000, "matplotlib": "matplotlib" in sys.modules}))
"""


def import_cost() -> dict:
    """Milliseconds to import the pack where the host is loaded, median of ROUNDS; and whether matplotlib came along."""
    found = [_run("-c", IMPORT, str(LOADER.parent)) for _ in range(ROUNDS)]
    milliseconds = statistics.median(one["milliseconds"] for one in found)
    return {"milliseconds": milliseconds, "matplotlib": any(one["matplotlib"] for one in found)}


def peak_memory(variant: str) -> int:
    """MB at most, of a process that loads the UNet of SD 1.5 and samples two steps with one of ON_UNET."""
    return _run(str(LOADER), "benchmarks.cost.fresh_process", variant)["peak"]


def _run(*arguments: str) -> dict:
    command = [sys.executable, *arguments]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])


def main() -> None:
    """In the process of one variant."""
    sampling(VARIANTS[sys.argv[1]], load_sd15(), (prompt(1), prompt(2)), 2, (1, 4, 32, 32))()
    print(json.dumps({"peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}))
