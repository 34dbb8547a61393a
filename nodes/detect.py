from functools import partial

import comfy.utils

from ..samplers.detection import score
from ..samplers.host.patch import unpatched
from .calibration import CALIBRATION, NO, REMEMBER, calibrate, in_force, prompts_of
from .checks import check_number
from .detection_scores import NORM, SCORES
from .first_norms import FIRST_STEPS, Start
from .node_text import show_text
from .sampling import sampler_widgets
from .thresholds import modified, name_of_model
from .widgets import CFG, PROMPTS, SEED, UNIQUE_ID

THRESHOLD = {
    "threshold": (
        "FLOAT",
        {
            "default": 0.01,
            "min": 0.0,
            "max": 1.0,
            "step": 0.0001,
            "tooltip": "From this mean guidance norm (RMS) on a prompt counts as memorized. Every model has its own: "
            "calibrate it with `ordinary_prompts`. The default is one for the testbed's eps and v variants.",
        },
    ),
}

SCORE = {
    "score_by": (
        list(SCORES),
        {
            "default": NORM,
            "tooltip": "What is measured; each has a threshold of its own: calibrate it. guidance norm: the mean of "
            "the first steps (Wen et al.), one pair of model calls per start and step. anisotropy: the first norm, and "
            "whether the prompt pulls along the score at low noise (Asthana and Belagiannis), two pairs. prediction "
            "change: how much the prompt's prediction changes from the second step to the third, three pairs. last "
            "step: the norm of the last of 50 steps (Kim and Lee), the whole picture. attention entropy: of the fourth "
            "cross-attention (Ren et al.), one model call, SD1.x, SD2.x and SDXL only.",
        },
    ),
}


class DetectMemorization:
    @classmethod
    def INPUT_TYPES(cls):
        model = "The model, with all nodes that change its guidance. A Basin Escape patch on it is set aside."
        return {
            "required": {
                "model": ("MODEL", {"tooltip": model}),
                **PROMPTS,
                "latent_image": ("LATENT", {"tooltip": "One latent image: the size that you work with."}),
                **SEED,
                **FIRST_STEPS,
                **THRESHOLD,
                **sampler_widgets(),
                **CFG,
            },
            "optional": {**CALIBRATION, **SCORE, **REMEMBER},
            "hidden": {**UNIQUE_ID, "prompt": "PROMPT"},
        }

    RETURN_TYPES = ("BOOLEAN", "FLOAT", "STRING", "FLOAT")
    RETURN_NAMES = ("memorized", "score", "report", "threshold")
    OUTPUT_TOOLTIPS = (
        "Whether the score reaches the threshold, for a switch node.",
        "What `score_by` says, the mean of all starts: by default the mean guidance norm, in RMS.",
        "The score, the threshold and the norm of every step in words, in RMS and L2.",
        "The threshold that was used, calibrated or not: connect that of guidance norm to `memorization_threshold`.",
    )
    FUNCTION = "detect"
    OUTPUT_NODE = True
    CATEGORY = "basin escape"
    DESCRIPTION = (
        "Tells whether a prompt is memorized by the guidance norm of the first step (Wen et al.), before anything is "
        "painted, or by one of four other scores. Mitigation is meant for memorized prompts only."
    )
    SEARCH_ALIASES = [
        "memorized prompt",
        "detector",
        "is memorized",
        "guidance norm",
        "threshold",
        "calibrate",
        "anisotropy",
    ]

    @classmethod
    def IS_CHANGED(cls, remember=NO, **_):
        return 0 if remember == NO else modified()

    def detect(
        self,
        model,
        positive,
        threshold,
        ordinary_prompts="",
        clip=None,
        score_by=NORM,
        remember=NO,
        unique_id=None,
        prompt=None,
        **start,
    ):
        check_number("threshold", threshold, 0.0, 1.0)
        measure = partial(SCORES[score_by], start=Start(unpatched(model), **start))
        ordinary = prompts_of(clip, ordinary_prompts)
        bar = comfy.utils.ProgressBar(1 + len(ordinary))
        found = measure(positive)
        bar.update(1)
        calibrated = calibrate(clip, ordinary, measure, partial(bar.update, 1))
        threshold, origin = in_force(threshold, calibrated, remember, score_by, name_of_model(prompt, unique_id))
        memorized = score(found.values) >= threshold
        report = describe(memorized, score_by, found, threshold, origin)
        show_text(report)
        return memorized, score(found.values), report, threshold


def describe(memorized, name, found, threshold, origin):
    """The report: verdict, score, threshold, and what the score adds."""
    lines = [
        "memorized" if memorized else "not memorized",
        f"score: {found.in_words(score(found.values))}, {name}, mean of {len(found.values)} start(s)",
        f"threshold: {found.in_words(threshold)}, {origin}",
    ]
    return "\n".join(lines + found.lines)


NODES = {"DetectMemorization": ("Detect Memorization", DetectMemorization)}
