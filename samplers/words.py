"""What happened in a run, in words: for the curve on its node, for the plot, and for the log."""

import torch

from .settings import OFF, ORTHOGONAL
from .trace import RunTrace
from .transition import DEADLINE

PLAIN = "plain CFG"
BEGAN = "CFG began at step {}, t = {}"
BEGAN_LATE = "CFG began at step {}, t = {} (deadline)"
BEGAN_TOGETHER = "CFG began at step {} ({} of {} images)"
BEGAN_APART = "CFG began at steps {}-{} ({} of {} images)"
LATE = "{} by the deadline"
GATED, GATED_SOME = "not memorized: plain CFG", "{} not memorized: plain CFG"
WAITING, WAITING_SOME = "still held back", "{} still held back"
NEVER, NEVER_SOME = "held back to the end", "{} held back to the end"
OFF_COPY, OFF_COPY_SOME = "kept off the image of the first step", "{} kept off the image of the first step"
# What a run is described with: its page translates these.
PHRASES = (
    PLAIN,
    BEGAN,
    BEGAN_LATE,
    BEGAN_TOGETHER,
    BEGAN_APART,
    LATE,
    GATED,
    GATED_SOME,
    WAITING,
    WAITING_SOME,
    NEVER,
    NEVER_SOME,
    OFF_COPY,
    OFF_COPY_SOME,
)


def describe(run: RunTrace, ended: bool = True) -> str:
    """When CFG began to act on the images of a run that has ended, or is still going on; parts are set off by `; `."""
    if run.settings.transition == OFF:
        return PLAIN
    steps, images = run.transition_step, len(run.transition_step)
    parts = _beginnings(run, steps[(steps >= 0) & ~run.gated], images)
    gated, waiting = int(run.gated.sum()), int((steps < 0).sum())
    if gated:
        parts.append(_count(gated, images, GATED, GATED_SOME))
    if waiting and run.settings.before_transition == ORTHOGONAL:
        parts.append(_count(waiting, images, OFF_COPY, OFF_COPY_SOME))
    elif waiting:
        parts.append(_count(waiting, images, *((NEVER, NEVER_SOME) if ended else (WAITING, WAITING_SOME))))
    return "; ".join(parts)


def _beginnings(run: RunTrace, steps: torch.Tensor, images: int) -> list[str]:
    """steps: of the images on which CFG began by a switch."""
    late = run.reasons.count(DEADLINE)
    if not len(steps):
        return []
    first, last = int(steps.min()), int(steps.max())
    if images == 1:
        timestep = run.quantity("timestep")[first, 0]
        return [(BEGAN_LATE if late else BEGAN).format(first, f"{timestep:.0f}")]
    if first == last:
        parts = [BEGAN_TOGETHER.format(first, len(steps), images)]
    else:
        parts = [BEGAN_APART.format(first, last, len(steps), images)]
    return parts + ([LATE.format(late)] if late else [])


def _count(number: int, images: int, one: str, some: str) -> str:
    return one if number == images else some.format(number)


def waiting(run: RunTrace) -> torch.Tensor:
    """[steps, batch] bool: the steps before each sample's transition."""
    step = torch.arange(run.steps)[:, None]
    waits = (run.transition_step < 0) | (step < run.transition_step)
    return waits & (run.settings.transition != OFF)
