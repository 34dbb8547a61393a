"""What a method costs: model calls, backward passes, seconds and memory."""

import ctypes
import re
import time
from pathlib import Path
from typing import Any

from torch import Tensor

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")  # of Linux


class Meter:
    """Watches a model while it is entered: `with Meter(model) as spent: ...`. At the end,

    calls     samples that the network was asked to denoise, whoever asked; two for a picture's step under CFG
    backward  samples that a gradient went back through it for
    seconds   of the processor, so that other work on the machine counts little
    memory    bytes that the process held at most, above those at the start (Linux; 0 elsewhere)
    """

    def __init__(self, model: Any):
        self.network = model.model.diffusion_model
        self.calls = self.backward = self.memory = 0
        self.seconds = 0.0

    def __enter__(self) -> "Meter":
        self.watching = self.network.register_forward_hook(self._count)
        self.held = memory_from_here()
        self.started = time.process_time()
        return self

    def __exit__(self, *exception: Any) -> None:
        self.seconds = time.process_time() - self.started
        self.memory = max(peak_memory() - self.held, 0)
        self.watching.remove()

    def _count(self, network: Any, inputs: Any, output: Tensor) -> None:
        self.calls += len(output)
        if output.requires_grad:
            output.register_hook(self._count_backward)

    def _count_backward(self, gradient: Tensor) -> None:
        self.backward += len(gradient)


def memory_from_here() -> int:
    """Bytes that the process holds now; `peak_memory` forgets what it held before."""
    if CLEAR.exists():
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:  # else what has been freed would be used again, unseen
            trim(0)
        CLEAR.write_text("5", encoding="ascii")
    return peak_memory()


def peak_memory() -> int:
    """Bytes that the process held at most since `memory_from_here`."""
    found = re.search(r"VmHWM:\s+(\d+) kB", STATUS.read_text(encoding="ascii")) if CLEAR.exists() else None
    return 1024 * int(found[1]) if found else 0
