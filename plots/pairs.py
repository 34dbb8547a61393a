"""Pictures beside the references that they are most like, with their scores."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from .picture import THEMES, new_figure

HEIGHT, WIDEST, MOST = 256, 4096, 16  # pixels of a pair, and of all; the most pairs


def draw_pairs(
    pictures: Sequence[Tensor], references: Sequence[Tensor], titles: Sequence[str], marked: Sequence[bool]
) -> Any:
    """A matplotlib Figure with a row for each pair, at most MOST: a picture on the left, its reference on the right.

    pictures, references  [height, width, 3] in [0, 1]
    marked                framed in the colour of a copy
    """
    rows = min(len(pictures), MOST)
    theme = THEMES["light"]
    figure = new_figure(5 * HEIGHT // 2, min(rows * (HEIGHT + 40), WIDEST), "light")
    axes = figure.subplots(rows, 2, squeeze=False)
    for row, pair in enumerate(zip(pictures[:rows], references[:rows], strict=True)):
        for axis, picture in zip(axes[row], pair, strict=True):
            axis.imshow(picture.float().cpu().clamp(0, 1).numpy())
            axis.set(xticks=[], yticks=[])
            axis.spines[:].set(color=theme["shade"] if marked[row] else theme["grid"], linewidth=4)
        axes[row, 0].set_title(titles[row][:110], fontsize=8, color=theme["ink"], loc="left", parse_math=False)
    return figure
