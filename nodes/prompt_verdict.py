from ..audit.verdict import alike, worst
from ..samplers.copies import likeness
from .checks import check_finite, check_number
from .measures import OF_PAIRS, measure_of
from .node_text import show_text
from .sscd_models import sscd_widget

IMAGES = "Pictures of the prompt without mitigation, from several seeds: with one, no agreement can be seen."
MITIGATED = "Pictures of the same prompt and seeds with mitigation."
MEASURE = (
    "How two pictures are compared to see whether seeds agree. SSCD: a network that knows a copy again, however it was "
    "cropped or recoloured. SSCD 224 crop: on pictures prepared as by DCR, Wen et al. and GUARD. pixel correlation: of "
    "the pixels at 64x64, each picture less its mean: take a threshold of 0.9."
)
THRESHOLD = "From this score on two pictures count as the same. Every measure has its own scale: see Copy Similarity."
ANSWERS = {
    "memorized": "`memorized` of Detect Memorization, without mitigation.",
    "copied": "`copied` of a Copy Similarity of the pictures without mitigation.",
    "copied_mitigated": "`copied` of a Copy Similarity of the pictures with mitigation.",
}


class PromptVerdict:
    @classmethod
    def INPUT_TYPES(cls):
        number = {"default": 0.75, "min": 0.0, "max": 1.0, "step": 0.01}
        answers = {name: ("BOOLEAN", {"forceInput": True, "tooltip": text}) for name, text in ANSWERS.items()}
        return {
            "required": {
                "images": ("IMAGE", {"tooltip": IMAGES}),
                "measure": (OF_PAIRS, {"tooltip": MEASURE}),
                "threshold": ("FLOAT", {**number, "tooltip": THRESHOLD}),
                **sscd_widget(),
            },
            "optional": {"mitigated": ("IMAGE", {"tooltip": MITIGATED}), **answers},
        }

    RETURN_TYPES = ("STRING", "STRING")
    RETURN_NAMES = ("verdict", "report")
    OUTPUT_TOOLTIPS = (
        "The worst that holds: copied a given image, the same picture from every seed or from several, likely "
        "memorized, no sign. Never that a prompt is safe.",
        "The verdict, what it comes from, what became of it with mitigation, and what was not looked at.",
    )
    FUNCTION = "judge"
    OUTPUT_NODE = True
    CATEGORY = "basin escape/measure"
    DESCRIPTION = (
        "One prompt audited: what its pictures, Detect Memorization and Copy Similarity say together, in the words of "
        "the audit of a list of prompts (python -m audit)."
    )
    SEARCH_ALIASES = ["audit", "verdict", "memorized prompt", "is it a copy", "same picture from every seed"]

    def judge(self, images, measure, threshold, sscd_model, mitigated=None, **answers):
        check_number("threshold", threshold, 0.0, 1.0)
        check_finite(images=images, mitigated=mitigated)
        chosen, _ = measure_of(measure, sscd_model)

        def same_of(batch):
            return alike((likeness(chosen, list(batch[..., :3].cpu())) >= threshold).tolist())

        same = same_of(images)
        _, verdict = worst(bool(answers.get("copied")), same, len(images), bool(answers.get("memorized")))
        lines = [verdict, in_words("without", len(images), same, answers.get("copied"))]
        if mitigated is not None:
            lines.append(in_words("with", len(mitigated), same_of(mitigated), answers.get("copied_mitigated")))
        if (memorized := answers.get("memorized")) is not None:
            lines.append(f"Detect Memorization: {'memorized' if memorized else 'not memorized'}")
        report = "\n".join(lines + not_looked_at(mitigated, answers))
        show_text(report)
        return {"ui": {}, "result": (verdict, report)}


def in_words(which, seeds, same, copied):
    """What was seen of the pictures without, or with, mitigation."""
    agree = f"{same} of {seeds} the same" if same > 1 else "all different" if seeds > 1 else "one picture"
    known = {None: "", True: ", a copy of a reference", False: ", no copy of a reference"}[copied]
    return f"{which} mitigation: {agree}{known}"


def not_looked_at(mitigated, answers):
    """A line on the inputs that are not connected, or none."""
    missing = [name for name in ANSWERS if answers.get(name) is None]
    missing = (["mitigated"] if mitigated is None else []) + missing
    return [f"not connected: {', '.join(missing)}"] if missing else []


NODES = {"PromptVerdict": ("Prompt Verdict", PromptVerdict)}
