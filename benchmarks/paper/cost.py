"""Model calls and time per image, beside plain CFG. Times are this machine's; nothing else is."""

import statistics

from ...samplers.settings import Settings
from ..harness import Sampling, sample, start_noise
from ..methods import guided
from ..testbeds import testbed
from .methods import method
from .plan import Size, captions

ROUNDS = 5
STATIC = Settings("static")
METHODS = [
    guided("no mitigation", Settings("off")),
    guided("static t = 500", STATIC),
    guided("static t = 500, unused pass skipped", STATIC, skip_unused_pass=True),
    guided("dynamic", Settings("dynamic")),
    guided("escape", Settings("escape")),
    guided("opposite 2 + escape", method("", "opposite 2", "escape").settings),
]


def cost_rows(name: str, size: Size) -> list[dict]:
    """One image of the first held-out memorized caption; medians of interleaved rounds."""
    bed, caption = testbed(name), captions(name, "memorized", size)[0]
    calls: dict[str, int] = {}
    seconds: dict[str, list[float]] = {chosen.name: [] for chosen in METHODS}
    for seed in range(1 + ROUNDS):  # the first one warms up
        noise = start_noise(bed.latent_shape, [seed])
        for chosen in METHODS:
            _, _, spent = sample(chosen, bed, caption, noise, [seed], Sampling(steps=size.steps))
            seconds[chosen.name].append(spent.seconds)
            calls[chosen.name] = spent.calls
    times = {setting: statistics.median(values[1:]) for setting, values in seconds.items()}
    plain = times["no mitigation"]
    return [
        {"testbed": name, "setting": setting, "model calls": calls[setting], "seconds": t, "plain CFG = 1": t / plain}
        for setting, t in times.items()
    ]
