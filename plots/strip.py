"""Pictures below a curve, each at its own transition, in the manner of the paper's Figure 2."""

from typing import Any

import torch
from torch import Tensor

SHARE_OF_COLUMN = 0.85


def draw_strip(strip: Any, axes: Any, x: Tensor, steps: Tensor, images: Tensor, frames: list, ink: str) -> None:
    """Draw images [batch, h, w, 3] into the Axes `strip` below `axes`, each below its step's place on the x axis.

    x [steps] are the steps' positions; steps [batch] the transitions, -1 for never, which is drawn at the end; frames
    are the colours of the curves.
    """
    if len(images) != len(steps):
        raise ValueError(
            f"images holds {len(images)} pictures, but the newest run has {len(steps)}: connect the decoded latents "
            "of the node that the trace comes from."
        )
    end = axes.get_xlim()[1]
    places = torch.where(steps < 0, end, x[steps])
    to_axes = axes.transData + axes.transAxes.inverted()
    centres = to_axes.transform([(place, 0) for place in places.tolist()])[:, 0]
    width = SHARE_OF_COLUMN * (centres.max() - centres.min()) / max(len(steps) - 1, 1) or SHARE_OF_COLUMN / len(steps)
    for centre, place, step, image, frame in zip(centres, places, steps, images, frames, strict=True):
        inset = strip.inset_axes([centre - width / 2, 0.15, width, 0.85])
        inset.imshow(image.cpu().numpy())
        inset.set(xticks=[], yticks=[], anchor="N")
        inset.set_xlabel(f"{place:.4g}" if step >= 0 else "never", fontsize=9, color=ink)
        inset.spines[:].set(color=frame, linewidth=2)
    strip.set_axis_off()
