"""What the rule costs without a model, call by call, and what its trace holds."""

import statistics
import time
import warnings

import torch

from ...samplers.guidance import before_transition, norm, select
from ...samplers.run import Run
from ...samplers.settings import ORTHOGONAL, Settings
from ...samplers.trace import GuidanceTrace
from .sampling import CFG, DYNAMIC, OPPOSITE, STATIC

LATENTS = [
    (1, 4, 32, 32), (1, 4, 64, 64), (1, 4, 128, 128), (8, 4, 64, 64), (64, 4, 32, 32), (64, 4, 64, 64),
    (64, 4, 128, 128), (1, 16, 21, 90, 160),
]  # fmt: skip
CHOSEN = {
    "off": Settings("off"),
    "dynamic": DYNAMIC,
    "opposite": OPPOSITE,
    "static": STATIC,
    "escape": Settings("escape"),
    "orthogonal": Settings("never", ORTHOGONAL),
}


def hook(settings: Settings, shape: tuple, calls: int, device: str = "cpu") -> tuple[float, Run]:
    """Seconds per call, its share of the run's end included, the run's start not; and the run."""
    x, cond, uncond = (torch.randn(shape, device=device) for _ in range(3))
    schedule = torch.linspace(14.6, 0.1, calls)
    run = Run(settings, lambda percent: 14.6 * (1 - percent), len(x), x[0].numel(), schedule.tolist(), CFG)
    levels = [sigma.expand(len(x)) for sigma in schedule.to(device)]
    started = time.perf_counter()
    for sigma in levels:
        on = run(x, cond, uncond, sigma, CFG)
        held = run.mitigated(cond, uncond, on)
        if settings.before_transition != ORTHOGONAL:
            select(on, x, before_transition(settings, held, uncond))
    run.record()
    return (time.perf_counter() - started) / calls, run


def one_pass(shape: tuple, calls: int) -> float:
    """Seconds for the difference of two latents and its norm."""
    x, cond = torch.randn(shape), torch.randn(shape)
    started = time.perf_counter()
    for _ in range(calls):
        norm(x - cond)
    return (time.perf_counter() - started) / calls


def hooks() -> tuple[list[str], dict[str, list[float]]]:
    """Microseconds of a pass, of 60 us and three passes, and of a call of the hook, by the latents' shape."""
    rows = {}
    for shape in LATENTS:
        calls = 5 if torch.Size(shape).numel() > 1_000_000 else 50
        # Interleaved, because a busy machine is slower at some times than at others.
        runs = [
            [one_pass(shape, calls), *(hook(settings, shape, calls)[0] for settings in CHOSEN.values())]
            for _ in range(13)
        ]
        warm = runs[3:]  # the first ones wait for the system to hand over memory
        a_pass, *costs = [statistics.median(column) * 1e6 for column in zip(*warm, strict=True)]
        rows["x".join(map(str, shape))] = [a_pass, 60 + 3 * a_pass, *costs]
    return ["one pass", "60 us and 3 passes", *CHOSEN], rows


def bytes_of_trace() -> dict[str, float]:
    """Of a trace per sample and step, in memory and as JSON."""
    batch, steps = 16, 50
    trace = GuidanceTrace([hook(DYNAMIC, (batch, 4, 8, 8), steps)[1].trace])
    series = trace.runs[0].series.values()
    sizes = {"memory": sum(s.numel() * s.element_size() for s in series), "JSON": len(trace.to_json())}
    return {name: size / (batch * steps) for name, size in sizes.items()}


def waits() -> dict[str, list[float]]:
    """How often the host waits for a GPU per call, its share of the run's end included. Needs CUDA."""
    rows = {}
    for name, settings in CHOSEN.items():
        torch.cuda.set_sync_debug_mode("warn")
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            hook(settings, (1, 4, 64, 64), 50, "cuda")
        torch.cuda.set_sync_debug_mode("default")
        rows[name] = [len(caught) / 50]
    return rows
