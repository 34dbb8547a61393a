"""The threshold of Detect Memorization: the widget's, one from ordinary prompts, or one that was remembered."""

from collections.abc import Callable

import comfy.model_management

from ..samplers.detection import calibrated_threshold
from .detection_scores import Scored
from .prompts import encode, lines_of
from .thresholds import recall, remember

Threshold = tuple[float, str]  # and where it is from

NO, YES, DELETE = "no", "yes", "delete"
CALIBRATION = {
    "ordinary_prompts": (
        "STRING",
        {
            "default": "",
            "multiline": True,
            "tooltip": "Calibration: ordinary prompts, one per line (200 for a real model). The threshold is then the "
            "99th percentile of their norms, 1 % false positives, and the widget is not used. Empty: the widget.",
        },
    ),
    "clip": ("CLIP", {"tooltip": "The text encoder, for `ordinary_prompts` only."}),
}
REMEMBER = {
    "remember": (
        [NO, YES, DELETE],
        {
            "default": NO,
            "tooltip": "The calibrated threshold, for the model's files, in ComfyUI's user folder. yes: what "
            "`ordinary_prompts` gave is kept, and used once they are empty; Basin Escape (set for me) uses that of "
            "guidance norm too. delete: it is kept no more. no: nothing is kept or looked up.",
        },
    ),
}


def prompts_of(clip, text: str) -> list[str]:
    """The lines that are not empty; raises ValueError without a text encoder to read them."""
    prompts = lines_of(text)
    if prompts and clip is None:
        raise ValueError("ordinary_prompts needs a text encoder: connect `clip`, or leave the prompts empty.")
    return prompts


def calibrate(
    clip, prompts: list[str], measure: Callable[[list], Scored], done: Callable[[], None]
) -> Threshold | None:
    """The threshold above all but one in a hundred starts of these prompts, one after another; None without any."""
    values = []
    for prompt in prompts:
        comfy.model_management.throw_exception_if_processing_interrupted()
        values.append(measure(encode(clip, prompt)).values)
        done()
    if not prompts:
        return None
    return calibrated_threshold(values), f"99th percentile of {len(prompts)} ordinary prompts"


def in_force(widget: float, calibrated: Threshold | None, memory: str, score: str, model: str) -> Threshold:
    """The threshold, and where it is from.

    memory: what `remember` says; score: by which it goes; model: the name of its files, "" where they are not known.
    Raises ValueError where there is something to remember and no name to do it by.
    """
    if memory != NO and not model:
        raise ValueError("remember needs to know the model's file, which this prompt does not tell: set it to no.")
    if memory == DELETE:
        remember(score, model, None)
    if memory == YES and calibrated:
        remember(score, model, calibrated[0])
        return calibrated[0], f"{calibrated[1]}, now remembered for {model}"
    if memory == YES:
        remembered = recall(score, model)
        if remembered is None:
            return widget, f"the widget's: none is remembered for {model}"
        return remembered, f"remembered for {model}"
    return calibrated or (widget, "the widget's")
