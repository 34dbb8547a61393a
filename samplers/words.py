"""What happened in a run, in words: for the curve on its node, for the plot, and for the log."""

import torch

from .settings import OFF
from .trace import RunTrace
from .transition import DEADLINE


def describe(run: RunTrace, ended: bool = True) -> str:
    """When CFG began to act on the images of a run that has ended, or is still going on."""
    if run.settings.transition == OFF:
        return "plain CFG"
    steps, images = run.transition_step, len(run.transition_step)
    switched = steps[(steps >= 0) & ~run.gated]
    parts = []
    if len(switched) == 1:
        timestep = run.quantity("timestep")[switched[0], 0]
        late = " (deadline)" if DEADLINE in run.reasons else ""
        parts.append(f"CFG from step {switched[0]}, t = {timestep:.0f}{late}")
    elif len(switched):
        parts.append(f"CFG from steps {switched.min()} to {switched.max()} in {len(switched)} of {images} images")
    gated, waiting = int(run.gated.sum()), int((steps < 0).sum())
    count = lambda number: "" if images == 1 else f"{number} "  # noqa: E731
    if gated:
        parts.append(f"{count(gated)}not memorized: plain CFG")
    if waiting:
        parts.append(f"{count(waiting)}{'no transition' if ended else 'before the transition'}")
    return "; ".join(parts)


def waiting(run: RunTrace) -> torch.Tensor:
    """[steps, batch] bool: the steps before each sample's transition."""
    step = torch.arange(run.steps)[:, None]
    waits = (run.transition_step < 0) | (step < run.transition_step)
    return waits & (run.settings.transition != OFF)
