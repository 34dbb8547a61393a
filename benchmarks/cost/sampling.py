"""The ways to sample that `make bench` compares, and the time and the predictions that each takes."""

import time
from itertools import pairwise

import comfy.samplers
import torch
from tqdm import tqdm

from ...samplers.host.guider import BasinEscapeCFGGuider
from ...samplers.host.patch import patch_model
from ...samplers.settings import Settings
from ...samplers.trace import GuidanceTrace
from ..measure import count_calls

CFG = 7.5
DYNAMIC, STATIC = Settings(), Settings("static")
OPPOSITE = Settings(before_transition="opposite guidance")


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
    "escape (guider)": guider(Settings("escape")),
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
    """A function that samples once with the guider that `build` makes: the seconds of every step, and of the end."""
    chosen = build(model)
    chosen.set_conds(*conds)
    chosen.set_cfg(CFG)
    sigmas = comfy.samplers.KSampler(model, steps, "cpu", "euler", "normal").sigmas
    latent, euler = torch.zeros(shape), comfy.samplers.sampler_object("euler")
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(0))

    def run() -> list[float]:
        marks = [time.perf_counter()]

        def mark(*args) -> None:
            marks.append(time.perf_counter())

        chosen.sample(noise, latent, euler, sigmas, callback=mark, disable_pbar=True, seed=0)
        mark()
        return [after - before for before, after in pairwise(marks)]

    return run


def compare(names: list[str], model, conds, steps: int, rounds: int, shape: tuple) -> dict[str, dict]:
    """What `sampling` tells, [rounds][steps + 1], in an order that changes by round; and predictions per picture."""
    counted, calls = count_calls(model)
    runs = {name: sampling(VARIANTS[name], counted, conds, steps, shape) for name in names}
    for run in runs.values():  # a first run of each costs more
        run()
    results: dict[str, dict] = {name: {"seconds": [], "predictions": 0} for name in names}
    for turn in tqdm(range(rounds), unit="round"):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            before = calls()
            results[name]["seconds"].append(runs[name]())
            results[name]["predictions"] = (calls() - before) / shape[0]
    return results
