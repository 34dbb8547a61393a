"""The ways to sample that `make bench` compares, and the time and the predictions that each takes."""

import time
from dataclasses import replace
from itertools import pairwise

import comfy.samplers
import torch
from tqdm import tqdm

from ...samplers.settings import Settings
from ..harness import schedule
from ..measure import count_calls
from ..methods import PLAIN, Method, Setup, guided, patched, stock

CFG = 7.5
DYNAMIC, STATIC = Settings(), Settings("static")
OPPOSITE = Settings(before_transition="opposite guidance")


class Everything:
    """A listener that is always due: more than a page ever asks for."""

    def due(self) -> bool:
        return True

    def __call__(self, run, ended: bool) -> None:
        self.sent = run.series["guidance_norm"].tolist()


METHODS = [
    replace(PLAIN, name="stock CFGGuider"),
    patched("off (patch)", Settings("off")),
    patched("dynamic (patch)", DYNAMIC),
    patched("dynamic (patch), a page listens", DYNAMIC, Everything()),
    guided("dynamic (guider)", DYNAMIC),
    guided("dynamic, opposite guidance (guider)", OPPOSITE),
    guided("escape (guider)", Settings("escape")),
    patched("static (patch)", STATIC),
    guided("static (guider)", STATIC),
    guided("static, unused pass skipped (guider)", STATIC, skip_unused_pass=True),
]
ON_UNET = [
    "stock CFGGuider",
    "dynamic (patch)",
    "dynamic, opposite guidance (guider)",
    "static (guider)",
    "static, unused pass skipped (guider)",
]

try:
    from comfy_extras.nodes_custom_sampler import CFGOverride

    def override(setup: Setup) -> Setup:
        return replace(setup, model=CFGOverride.execute(setup.model, 0.0, 0.0, 0.5).args[0])

    METHODS.append(Method("static by core's CFGOverride", override))
    ON_UNET.append("static by core's CFGOverride")
except ImportError:
    pass  # this ComfyUI has none
VARIANTS = {method.name: method for method in METHODS}


def sampling(method: Method, model, conds, steps: int, shape: tuple):
    """A function that samples once with this method: the seconds of every step, and of the end."""
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    positive, negative = conds
    sigmas = schedule(model, "euler", steps)
    setup = method.change(Setup(model, positive, negative, noise, [0], sigmas, CFG, stock))
    guider, latent, euler = setup.guider(setup), torch.zeros(shape), comfy.samplers.sampler_object("euler")

    def run() -> list[float]:
        marks = [time.perf_counter()]

        def mark(*args) -> None:
            marks.append(time.perf_counter())

        guider.sample(setup.noise, latent, euler, setup.sigmas, callback=mark, disable_pbar=True, seed=0)
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
