"""`make bench`: what the nodes cost beside stock CFG, what the hook costs without a model, what the pack costs to load.

Times are wall time, meant for a machine with nothing else to do. Every round samples each variant once, in turn; a
ratio is that of one round, and the table shows the median of the ratios and their spread. What others do on the machine
only ever adds time, so the table also compares the fastest: every step as fast as in its fastest round. With random
weights the UNet's transition falls anywhere, but costs what any transition costs. The results go to
benchmarks/results/overhead.json, or to the name that is given.
"""

import json
import platform
import statistics
import sys

import torch

from ...tools.pack import ROOT
from ..testbeds import testbed
from .fresh_process import import_cost, peak_memory
from .hook import bytes_of_trace, hooks, waits
from .sampling import ON_UNET, VARIANTS, compare
from .sd15 import load_sd15, prompt
from .testbed_call import BATCHES, testbed_calls

# What is sampled: steps, rounds, the shape of a latent. Both schedules have half of their steps before t = 500.
TESTBED, UNET = (50, 15, (4, 3, 16, 16)), (2, 6, (1, 4, 32, 32))


def table(title: str, runs: dict[str, dict], steps: int) -> dict:
    columns = "run | time | per step | stock = 1, median | lowest to highest | fastest | predictions per picture"
    print(f"\n{title}\n\n| {columns} |\n|{'---|' * 7}")
    for run in runs.values():
        run["fastest"] = sum(map(min, zip(*run["seconds"], strict=True)))
        run["seconds"] = [sum(times) for times in run["seconds"]]
    base = runs["stock CFGGuider"]
    for name, run in runs.items():
        ratios = [one / other for one, other in zip(run["seconds"], base["seconds"], strict=True)]
        ratio, middle = statistics.median(ratios), statistics.median(run["seconds"])
        fastest = run["fastest"] / base["fastest"]
        run |= {"ratio": ratio, "lowest": min(ratios), "highest": max(ratios), "ratio of the fastest": fastest}
        spread = f"{ratio:.3f} | {min(ratios):.3f} to {max(ratios):.3f} | {fastest:.3f}"
        print(f"| {name} | {middle:.3f} s | {middle / steps * 1000:.2f} ms | {spread} | {run['predictions']:g} |")
    return runs


def print_rows(title: str, columns: list[str], rows: dict[str, list[float]], unit: str) -> dict:
    print(f"\n{title}\n\n| | {' | '.join(columns)} |\n|---|{'---|' * len(columns)}")
    for name, values in rows.items():
        print(f"| {name} | {' | '.join(f'{value:.4g} {unit}' for value in values)} |")
    return {name: dict(zip(columns, values, strict=True)) for name, values in rows.items()}


def machine() -> dict:
    with open("/proc/cpuinfo", encoding="ascii") as cpuinfo:
        models = [line.split(":")[1].strip() for line in cpuinfo if line.startswith("model name")]
    versions = {"torch": torch.__version__, "python": platform.python_version()}
    steps = {"steps on the testbed": TESTBED[0], "steps of the UNet": UNET[0]}
    return {"cpu": models[0], "cores": len(models), "threads of the UNet": torch.get_num_threads(), **versions, **steps}


def write(results: dict) -> None:
    file = ROOT / "benchmarks" / "results" / (sys.argv[1] if len(sys.argv) > 1 else "overhead.json")
    file.write_text(json.dumps(results, indent=1) + "\n", encoding="ascii")


@torch.inference_mode()  # as ComfyUI runs every node
def main() -> None:
    threads = torch.get_num_threads()
    results: dict = {"machine": machine()}
    print("; ".join(f"{name} {value}" for name, value in results["machine"].items()))
    torch.set_num_threads(1)
    columns, rows = hooks()
    title = "The hook without a model, median of ten runs; a pass is the difference of two latents and its norm"
    results["hook, microseconds per call"] = print_rows(title, columns, rows, "us")
    results["trace, bytes per sample and step"] = bytes_of_trace()
    print(f"\na trace holds {results['trace, bytes per sample and step']} bytes per sample and step")
    if torch.cuda.is_available():
        results["waits for the GPU per call"] = print_rows("Waits for the GPU", ["per call"], waits(), "")

    bed = testbed("closed form eps")
    model, conds = bed.model, (bed.encode(bed.captions[0]), bed.encode(""))
    calls = {"one call": [statistics.median(times) for times in testbed_calls(bed)]}
    results["testbed, milliseconds"] = print_rows("The testbed's model", [f"batch {b}" for b in BATCHES], calls, "ms")
    runs = compare(list(VARIANTS), model, conds, *TESTBED)
    title = f"The testbed, {TESTBED[2][0]} pictures, {TESTBED[0]} steps, one thread"
    results["testbed"] = table(title, runs, TESTBED[0])
    write(results)

    results["import"] = import_cost()
    print("\nimporting the pack into a running host:", results["import"])
    memory = {name: [float(peak_memory(name))] for name in ON_UNET}
    title = "Most memory that a process held which loaded the UNet and sampled two steps with one variant"
    results["peak memory, MB"] = print_rows(title, ["peak"], memory, "MB")

    torch.set_num_threads(threads)
    model, conds = load_sd15(), (prompt(1), prompt(2))
    title = f"The UNet of SD 1.5, float32, latents 32x32, {UNET[0]} steps, {threads} threads"
    results["SD 1.5 UNet"] = table(title, compare(ON_UNET, model, conds, *UNET), UNET[0])
    write(results)
