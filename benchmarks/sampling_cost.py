"""The ways to sample that `make bench` compares, and the time and the predictions that each takes."""

import time

import torch
from measure import count_calls
from tqdm import tqdm

# The import above has put the host on the CPU.
# isort: split
import comfy.samplers
from basin_escape.samplers.guider import BasinEscapeCFGGuider
from basin_escape.samplers.model_patch import patch_model
from basin_escape.samplers.settings import Settings
from basin_escape.samplers.trace import GuidanceTrace

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
    """A function that samples once with the guider that `build` makes."""
    chosen = build(model)
    chosen.set_conds(*conds)
    chosen.set_cfg(CFG)
    sigmas = comfy.samplers.KSampler(model, steps, "cpu", "euler", "normal").sigmas
    latent, euler = torch.zeros(shape), comfy.samplers.sampler_object("euler")
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    return lambda: chosen.sample(noise, latent, euler, sigmas, disable_pbar=True, seed=0)


def compare(names: list[str], model, conds, steps: int, rounds: int, shape: tuple) -> dict[str, dict]:
    """Seconds of every run, [rounds] each in an order that changes from round to round, and predictions per picture."""
    counted, calls = count_calls(model)
    runs = {name: sampling(VARIANTS[name], counted, conds, steps, shape) for name in names}
    for run in runs.values():  # a first run of each costs more
        run()
    results: dict[str, dict] = {name: {"seconds": [], "predictions": 0} for name in names}
    for turn in tqdm(range(rounds), unit="round"):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            before, started = calls(), time.perf_counter()
            runs[name]()
            results[name]["seconds"].append(time.perf_counter() - started)
            results[name]["predictions"] = (calls() - before) / shape[0]
    return results
