"""What one call of a testbed's model takes: `python tools/pack.py benchmarks.cost.testbed_call`.

On one thread. Other work on the machine only ever adds time, so that the fastest call says what the model itself takes.
"""

import statistics
import sys
import time
from typing import Any

import torch

from ..testbeds import testbed

BATCHES = (1, 8, 64)


def testbed_calls(bed: Any, batches: tuple[int, ...] = BATCHES) -> list[list[float]]:
    """Milliseconds of fifty calls with each of these batches."""
    found, context = [], bed.encode(bed.captions[0])[0][0]
    for batch in batches:
        x, sigma, conditions = (
            torch.randn(batch, *bed.latent_shape),
            torch.full((batch,), 3.0),
            context.repeat(batch, 1, 1),
        )
        options, times = {"sigmas": sigma}, []
        for _ in range(60):
            started = time.perf_counter()
            bed.model.model.apply_model(x, sigma, c_crossattn=conditions, transformer_options=options)
            times.append(1000 * (time.perf_counter() - started))
        found.append(times[10:])
    return found


@torch.inference_mode()  # as ComfyUI runs every node
def main() -> None:
    torch.set_num_threads(1)
    for name in sys.argv[1:] or ("closed form eps", "scenes"):
        for batch, times in zip(BATCHES, testbed_calls(testbed(name)), strict=True):
            print(f"{name}, batch {batch}: fastest {min(times):.1f} ms, median {statistics.median(times):.1f} ms")
