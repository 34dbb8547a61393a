"""Model calls and time per image of the sampler node, beside plain CFG. Times are this machine's; nothing else is."""

import statistics
import time

import torch

from ..measure import NODES, WIDGETS, count_calls
from .plan import Size, captions
from .testbeds import conditioning, testbed

ROUNDS = 5
SETTINGS = {
    "no mitigation": {"transition": "off"},
    "static t = 500": {"transition": "static"},
    "static t = 500, unused pass skipped": {"transition": "static", "skip_unused_pass": True},
    "dynamic": {"transition": "dynamic"},
    "escape": {"transition": "escape"},
    "opposite 2 + escape": {"transition": "escape", "before_transition": "opposite guidance"},
}


def cost_rows(name: str, size: Size) -> list[dict]:
    """One image of the first held-out memorized caption; medians of interleaved rounds."""
    bed = testbed(name)
    prompt = {
        "positive": conditioning(bed, captions(name, "memorized", size)[0]),
        "negative": conditioning(bed, ""),
        "latent_image": {"samples": torch.zeros(1, *bed.latent_shape)},
    }
    calls: dict[str, int] = {}
    seconds: dict[str, list[float]] = {setting: [] for setting in SETTINGS}
    for seed in range(1 + ROUNDS):  # the first one warms up
        for setting, widgets in SETTINGS.items():
            model, count = count_calls(bed.model)
            started = time.perf_counter()
            inputs = {**WIDGETS, "steps": size.steps, "seed": seed, "model": model, **prompt, **widgets}
            NODES["BasinEscapeKSampler"]().sample(**inputs)
            seconds[setting].append(time.perf_counter() - started)
            calls[setting] = count()
    times = {setting: statistics.median(values[1:]) for setting, values in seconds.items()}
    plain = times["no mitigation"]
    return [
        {"testbed": name, "setting": setting, "model calls": calls[setting], "seconds": t, "plain CFG = 1": t / plain}
        for setting, t in times.items()
    ]
