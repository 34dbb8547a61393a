import comfy.model_management
import comfy.utils

from ..samplers.detection import calibrated_threshold, score
from ..samplers.host.patch import unpatched
from .checks import check_number
from .first_norms import FIRST_STEPS, Start, first_norms
from .sampling import sampler_widgets
from .widgets import CFG, PROMPTS, SEED

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
            "optional": CALIBRATION,
        }

    RETURN_TYPES = ("BOOLEAN", "FLOAT", "STRING", "FLOAT")
    RETURN_NAMES = ("memorized", "score", "report", "threshold")
    OUTPUT_TOOLTIPS = (
        "Whether the score reaches the threshold, for a switch node.",
        "The mean guidance norm over steps and starts, in RMS.",
        "The score, the threshold and the norm of every step in words, in RMS and L2.",
        "The threshold that was used, calibrated or not: connect it to `memorization_threshold`.",
    )
    FUNCTION = "detect"
    CATEGORY = "basin escape"
    DESCRIPTION = (
        "Tells whether a prompt is memorized by the guidance norm of the first step (Wen et al.), before anything is "
        "painted. Mitigation is meant for memorized prompts only."
    )
    SEARCH_ALIASES = ["memorized prompt", "detector", "is memorized", "guidance norm", "threshold", "calibrate"]

    def detect(self, model, positive, threshold, ordinary_prompts="", clip=None, **start):
        check_number("threshold", threshold, 0.0, 1.0)
        ordinary, start = prompts_of(clip, ordinary_prompts), Start(unpatched(model), **start)
        bar = comfy.utils.ProgressBar(1 + len(ordinary))
        found = first_norms(positive, start)
        bar.update(1)
        origin = "the widget's"
        if ordinary:
            norms = []
            for prompt in ordinary:
                comfy.model_management.throw_exception_if_processing_interrupted()
                norms.append(first_norms(encode(clip, prompt), start).rms)
                bar.update(1)
            threshold = calibrated_threshold(norms)
            origin = f"99th percentile of {len(ordinary)} ordinary prompts"
        memorized = score(found.rms) >= threshold
        return memorized, score(found.rms), describe(memorized, found, threshold, origin), threshold


def prompts_of(clip, text):
    """The lines that are not empty."""
    prompts = [line.strip() for line in text.splitlines() if line.strip()]
    if prompts and clip is None:
        raise ValueError("ordinary_prompts needs a text encoder: connect `clip`, or leave the prompts empty.")
    return prompts


def encode(clip, prompt):
    """The conditioning of a prompt, as CLIP Text Encode makes it."""
    return clip.encode_from_tokens_scheduled(clip.tokenize(prompt))


def describe(memorized, found, threshold, origin):
    """The report: verdict, score, threshold, and the mean norm of every step."""

    def in_words(norm):
        return f"{norm:.4f} RMS ({norm * found.elements**0.5:.2f} L2)"

    steps, starts = found.rms.shape
    lines = [
        "memorized" if memorized else "not memorized",
        f"score: {in_words(score(found.rms))}, mean of {steps} step(s) and {starts} start(s)",
        f"threshold: {in_words(threshold)}, {origin}",
    ]
    for timestep, norm in zip(found.timesteps.tolist(), found.rms.mean(1).tolist(), strict=True):
        lines.append(f"t = {timestep:.0f}: {in_words(norm)}")
    return "\n".join(lines)


NODES = {"DetectMemorization": ("Detect Memorization", DetectMemorization)}
