"""A number for each word of a prompt, as bars in the order of the prompt."""

from collections.abc import Sequence
from typing import Any

from .picture import THEMES, new_figure

HEIGHT, PER_WORD, AT_LEAST = 384, 32, 512  # pixels
CROWDED = 8  # words from which on they are written upright


def draw_tokens(words: Sequence[str], values: Sequence[float], label: str, title: str) -> Any:
    """A matplotlib Figure: a bar for each of the words, the highest one in the colour that shades a run."""
    colours = THEMES["light"]
    figure = new_figure(max(AT_LEAST, PER_WORD * (len(words) + 2)), HEIGHT, "light")
    axes, places = figure.subplots(), range(len(words))
    highest = max(values)
    axes.bar(places, values, color=[colours["shade"] if value == highest else colours["ink"] for value in values])
    axes.set_xticks(places, words, rotation=90 if len(words) > CROWDED else 0, parse_math=False)
    axes.set(ylabel=label)
    axes.set_title(title, fontsize=11)
    axes.grid(color=colours["grid"], linewidth=0.8, axis="y")
    axes.set_axisbelow(True)
    return figure
