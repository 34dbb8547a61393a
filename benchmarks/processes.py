"""Parts of a benchmark, shared among processes: the same bits however many there are, as each has one thread."""

import multiprocessing
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import comfy.utils
import torch
from tqdm import tqdm


def alone() -> None:
    """Compute in one thread, and show no progress of single pictures."""
    torch.set_num_threads(1)
    comfy.utils.set_progress_bar_enabled(False)
    warnings.filterwarnings("ignore", module="torchsde")


def share(work: Callable[[Any], None], parts: Sequence[Any], processes: int) -> None:
    """Call `work`, a function of a module, with each of the parts, in this order."""
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context, initializer=alone) as pool:
        list(tqdm(pool.map(work, parts), total=len(parts), unit="part"))
