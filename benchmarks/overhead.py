"""`make bench`: what the nodes cost beside stock CFG, and what the hook costs without a model.

Every round samples each variant once, in turn; a ratio is that of one round, and the table shows the median of the
ratios and their spread. Times are processor time on one thread, which other programs disturb least. With random
weights the UNet's transition falls anywhere, but costs what any transition costs. The results go to
benchmarks/results/overhead.json, or to the name that is given.
"""

import json
import platform
import resource
import statistics
import sys
import time

import torch
from measure import MEMORIZED_CAPTIONS, NODES, encode
from pack import ROOT
from tqdm import tqdm

# The import above has put the host on the CPU.
# isort: split
import comfy.sample
import comfy.samplers
import comfy.utils
from basin_escape.samplers.guidance import norm
from basin_escape.samplers.guider import BasinEscapeCFGGuider
from basin_escape.samplers.model_patch import patch_model
from basin_escape.samplers.run import Run
from basin_escape.samplers.settings import Settings
from basin_escape.samplers.trace import GuidanceTrace
from sd15 import load_sd15, prompt

CFG = 7.5
DYNAMIC, STATIC = Settings(), Settings("static")
OPPOSITE = Settings(before_transition="opposite guidance")
# What is sampled: steps, rounds, the shape of a latent.
TESTBED, UNET = (50, 15, (4, 3, 16, 16)), (2, 2, (1, 4, 32, 32))
LATENTS = [
    (1, 4, 32, 32), (1, 4, 64, 64), (1, 4, 128, 128), (8, 4, 64, 64), (64, 4, 32, 32), (64, 4, 64, 64),
    (64, 4, 128, 128), (1, 16, 21, 90, 160),
]  # fmt: skip


class Everything:
    """A listener that is always due: more than a page ever asks for."""

    def due(self) -> bool:
        return True

    def __call__(self, run, ended: bool) -> None:
        self.sent = run.quantity("guidance_norm").tolist()


def stock(model):
    return comfy.samplers.CFGGuider(model)


def patched(settings: Settings, listener: Everything | None = None):
    return lambda model: stock(patch_model(model, settings, GuidanceTrace(listener=listener)))


def guider(settings: Settings, skip: bool = False):
    return lambda model: BasinEscapeCFGGuider(model, settings, GuidanceTrace(), skip)


VARIANTS = {
    "stock CFGGuider": stock,
    "off (patch)": patched(Settings("off")),
    "dynamic (patch)": patched(DYNAMIC),
    "dynamic (patch), a page listens": patched(DYNAMIC, Everything()),
    "dynamic (guider)": guider(DYNAMIC),
    "dynamic, opposite guidance (guider)": guider(OPPOSITE),
    "static (patch)": patched(STATIC),
    "static (guider)": guider(STATIC),
    "static, unused pass skipped (guider)": guider(STATIC, skip=True),
}
ON_UNET = [
    "stock CFGGuider",
    "dynamic (patch)",
    "dynamic, opposite guidance (guider)",
    "static (guider)",
    "static, unused pass skipped (guider)",
]

try:
    from comfy_extras.nodes_custom_sampler import CFGOverride

    VARIANTS["static by core's CFGOverride"] = lambda model: stock(CFGOverride.execute(model, 0.0, 0.0, 0.5).args[0])
    ON_UNET.append("static by core's CFGOverride")
except ImportError:
    pass  # this ComfyUI has none


def sampling(build, model, conds, steps: int, shape: tuple):
    """A function that samples once with the guider that `build` makes."""
    chosen = build(model)
    chosen.set_conds(*conds)
    chosen.set_cfg(CFG)
    sigmas = comfy.samplers.KSampler(model, steps, "cpu", "euler", "normal").sigmas
    latent, euler = torch.zeros(shape), comfy.samplers.sampler_object("euler")
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    return lambda: chosen.sample(noise, latent, euler, sigmas, disable_pbar=True, seed=0)


def compare(names: list[str], model, conds, steps: int, rounds: int, shape: tuple) -> dict:
    """Seconds of every run, [rounds] each, in an order that changes from round to round."""
    runs = {name: sampling(VARIANTS[name], model, conds, steps, shape) for name in names}
    if shape[0] > 1:  # a first run of each costs more; of a model that takes seconds, one will do
        for run in runs.values():
            run()
    else:
        runs[names[0]]()
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for turn in tqdm(range(rounds), unit="round"):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            started = time.process_time()
            runs[name]()
            seconds[name].append(time.process_time() - started)
    return seconds


def table(title: str, seconds: dict[str, list[float]], steps: int) -> dict:
    base = seconds["stock CFGGuider"]
    rows = {}
    print(f"\n{title}\n\n| run | time | per step | stock = 1, median | lowest to highest |\n|---|---|---|---|---|")
    for name, times in seconds.items():
        ratios = [one / other for one, other in zip(times, base, strict=True)]
        ratio, middle = statistics.median(ratios), statistics.median(times)
        rows[name] = {"seconds": times, "ratio": ratio, "lowest": min(ratios), "highest": max(ratios)}
        spread = f"{min(ratios):.3f} to {max(ratios):.3f}"
        print(f"| {name} | {middle:.3f} s | {middle / steps * 1000:.2f} ms | {ratio:.3f} | {spread} |")
    return rows


def hook(settings: Settings, shape: tuple, calls: int) -> float:
    """Seconds per call of the rule alone, its share of the run's end included; the run's start is not."""
    x, cond, uncond = (torch.randn(shape) for _ in range(3))
    schedule = torch.linspace(14.6, 0.1, calls)
    run = Run(settings, lambda percent: 14.6 * (1 - percent), len(x), x[0].numel(), schedule.tolist(), CFG)
    levels = [sigma.expand(len(x)) for sigma in schedule]
    started = time.process_time()
    for sigma in levels:
        run.place(sigma)
        run.observe(x, cond, uncond, sigma, CFG)
        run.apply(x, cond, uncond)
    run.record()
    return (time.process_time() - started) / calls


def one_pass(shape: tuple, calls: int) -> float:
    """Seconds for the difference of two latents and its norm."""
    x, cond = torch.randn(shape), torch.randn(shape)
    started = time.process_time()
    for _ in range(calls):
        norm(x - cond)
    return (time.process_time() - started) / calls


def hooks() -> dict:
    chosen = {"off": Settings("off"), "dynamic": DYNAMIC, "opposite": OPPOSITE, "static": STATIC}
    print("\nThe hook without a model, median of ten runs; a pass is the difference of two latents and its norm\n")
    print(f"| latents | one pass | {' | '.join(chosen)} |\n|---|---|{'---|' * len(chosen)}")
    rows = {}
    for shape in LATENTS:
        calls, name = (5 if torch.Size(shape).numel() > 1_000_000 else 50), "x".join(map(str, shape))
        # Interleaved, because a busy machine is slower at some times than at others.
        runs = [
            [one_pass(shape, calls), *(hook(settings, shape, calls) for settings in chosen.values())] for _ in range(10)
        ]
        microseconds = [statistics.median(column) * 1e6 for column in zip(*runs, strict=True)]
        rows[name] = dict(zip(["one pass", *chosen], microseconds, strict=True))
        print(f"| {name} | {' | '.join(f'{value:.0f} us' for value in microseconds)} |")
    return rows


def machine() -> dict:
    with open("/proc/cpuinfo", encoding="ascii") as cpuinfo:
        models = [line.split(":")[1].strip() for line in cpuinfo if line.startswith("model name")]
    versions = {"torch": torch.__version__, "python": platform.python_version()}
    return {"cpu": models[0], "cores": len(models), "threads": torch.get_num_threads(), **versions}


def peak() -> int:
    """Most memory that this process ever held, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def write(results: dict) -> None:
    file = ROOT / "benchmarks" / "results" / (sys.argv[1] if len(sys.argv) > 1 else "overhead.json")
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(results, indent=1) + "\n", encoding="ascii")


def main() -> None:
    torch.set_num_threads(1)
    comfy.utils.set_progress_bar_enabled(False)
    results: dict = {"machine": machine()}
    print("; ".join(f"{name} {value}" for name, value in results["machine"].items()))
    results["hook, microseconds per call"] = hooks()

    model, clip, *_ = NODES["LoadMemorizationTestbed"]().load("eps")
    conds = encode(clip, MEMORIZED_CAPTIONS[0]), encode(clip, "")
    seconds = compare(list(VARIANTS), model, conds, *TESTBED)
    results["testbed"] = table(f"The testbed, {TESTBED[2][0]} images, {TESTBED[0]} steps", seconds, TESTBED[0])
    write(results)

    model, conds = load_sd15(), (prompt(1), prompt(2))
    alone = compare(["stock CFGGuider"], model, conds, 1, 1, UNET[2]), peak()
    seconds = compare(ON_UNET, model, conds, *UNET)
    results["SD 1.5 UNet"] = table(f"The UNet of SD 1.5, float32, latents 32x32, {UNET[0]} steps", seconds, UNET[0])
    results["peak memory, MB"] = {"stock": alone[1], "all": peak()}
    print(f"\npeak memory: {alone[1]} MB after stock, {peak()} MB after all of them")
    write(results)


if __name__ == "__main__":
    main()
