"""Silenced neurons (Hintersdorf et al., NeurIPS 2024).

*Finding NeMo: Localizing Neurons Responsible For Memorization in Diffusion Models*: a memorized prompt fires a few
output channels of the value projections in the cross-attention,

    v = to_v(prompt);  v[:, :, channels of this layer] = 0      for the prompt and the negative one

The search for them (statistics of 50,000 prompts, then dozens to hundreds of single steps for each prompt) is not here:
what it found is applied. The paper searches the six down layers and the middle one of Stable Diffusion 1.4, in this
order; here any layer may be named. A model that is silenced still holds the picture: a slightly changed prompt brings
it back (Kowalczuk et al., *Finding Dori*, ICML 2026).
"""

import json
from collections.abc import Sequence

import torch
from torch import Tensor

Neurons = dict[int, list[int]]  # channels by the number of the layer


def parse(text: str) -> Neurons:
    """A line "layer: channel, channel, ..." for each layer, or the released code's list of a list for each layer.

    Raises ValueError naming the line that is neither.
    """
    if text.strip().startswith("["):
        return {layer: channels for layer, channels in enumerate(_lists(text)) if channels}
    found: Neurons = {}
    for line in filter(None, map(str.strip, text.splitlines())):
        layer, _, channels = line.partition(":")
        try:
            found.setdefault(int(layer), []).extend(int(channel) for channel in channels.split(","))
        except ValueError:
            raise ValueError(f'neurons has the line "{line}": write "layer: channel, channel", "3: 12, 57".') from None
    return found


def _lists(text: str) -> list[list[int]]:
    try:
        found = json.loads(text)
    except json.JSONDecodeError:
        found = None
    if not isinstance(found, list) or not all(
        isinstance(channels, list) and all(type(channel) is int for channel in channels) for channels in found
    ):
        raise ValueError("neurons begins with [ but is no list of lists of numbers, one for each layer.")
    return found


def check(neurons: Neurons, widths: Sequence[int]) -> None:
    """Raise ValueError for a layer or a channel that the model does not have; widths: channels of every layer."""
    for layer, channels in neurons.items():
        if not 0 <= layer < len(widths):
            raise ValueError(f"neurons names layer {layer}, but the model has the layers 0 to {len(widths) - 1}.")
        wrong = [channel for channel in channels if not 0 <= channel < widths[layer]]
        if wrong:
            raise ValueError(
                f"neurons names channel {wrong[0]} of layer {layer}, which has the channels 0 to {widths[layer] - 1}: "
                "these neurons were found in another model."
            )


def silence(v: Tensor, channels: Sequence[int]) -> Tensor:
    """Values [rows, tokens, channels] with these channels 0."""
    return v.index_fill(2, torch.tensor(channels, device=v.device), 0)
