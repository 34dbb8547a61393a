"""What a method costs: model calls, backward passes, seconds and memory."""

import ctypes
import re
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


class Meter:
    """Watches a model while it is entered: `with Meter(model) as spent: ...`. At the end,

    calls     samples that the network was asked to denoise, whoever asked; two for a picture's step under CFG
    backward  samples that a gradient went back through it for
    seconds   wall time
    memory    bytes at most, above those at the start: of the device where there is one, else of the process
              (Linux; 0 elsewhere)
    """

    def __init__(self, model: Any):
        self.network = model.model.diffusion_model
        self.calls = self.backward = self.memory = 0
        self.seconds = 0.0

    def __enter__(self) -> "Meter":
        self.watching = self.network.register_forward_hook(self._count)
        self.held = memory_from_here()
        self.started = time.perf_counter()
        return self

    def __exit__(self, *exception: Any) -> None:
        self.seconds = time.perf_counter() - self.started
        self.memory = max(peak_memory() - self.held, 0)
        self.watching.remove()

    def _count(self, network: Any, inputs: Any, output: Tensor) -> None:
        self.calls += len(output)
        if output.requires_grad:
            output.register_hook(self._count_backward)

    def _count_backward(self, gradient: Tensor) -> None:
        self.backward += len(gradient)


def memory_from_here() -> int:
    """Bytes that are held now; `peak_memory` forgets what was held before."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
    elif CLEAR.exists():
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:  # else what has been freed would be used again, unseen
            trim(0)
        CLEAR.write_text("5")
    return peak_memory()


def peak_memory() -> int:
    """Bytes held at most since `memory_from_here`."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
        return torch.cuda.max_memory_allocated()
    found = re.search(r"VmHWM:\s+(\d+) kB", STATUS.read_text()) if STATUS.exists() else None
    return 1024 * int(found[1]) if found else 0
