"""Every method that keeps a model from copying, an entry each. A new node is one more entry.

An entry is a name and the nodes that are put in, one after the other. Of a node stand here the widgets that are not at
their defaults, and which of its outputs takes the place of what: text, positive, negative, model, noise or guider. All
else is connected by name (wiring.py).
"""

from dataclasses import dataclass, field
from typing import Any

from .paper import DTP, NONE, NUMBER, OG_DTP, REN, WEN_1, WEN_3, WORD


@dataclass(frozen=True)
class Use:
    """A node of a method. outputs: what each output takes the place of."""

    class_type: str
    outputs: dict[str, int]
    widgets: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Method:
    """paper: its row in the paper's tables. needs_alternatives: other ways to say the prompt, which no list has."""

    name: str
    uses: tuple[Use, ...] = ()
    paper: str | None = None
    needs_alternatives: bool = False


def guided(name: str, transition: str, before: str, paper: str | None = None, **widgets: float) -> Method:
    """Basin Escape. Without a deadline and a gate: the paper's rules as they are."""
    rule = {"transition": transition, "before_transition": before, "latest_percent": 1.0, **widgets}
    return Method(name, (patch(rule),), paper)


def patch(rule: dict[str, Any]) -> Use:
    return Use("BasinEscapeModelPatch", {"model": 0}, {"memorization_threshold": 0.0, **rule})


def words(name: str, kind: str, paper: str) -> Method:
    return Method(name, (Use("PerturbPrompt", {"text": 0}, {"kind": kind}),), paper)


def moved(target: float) -> Use:
    """Of one image at 512 pixels in RMS: the paper's target / 128."""
    return Use("MitigatePromptEmbedding", {"positive": 0}, {"target": target})


ZERO, OPPOSITE, CONDITIONAL, ORTHOGONAL = (
    "zero guidance",
    "opposite guidance",
    "conditional only",
    "orthogonal guidance",
)
STATIC_900 = {"transition": "static", "before_transition": ZERO, "static_percent": 0.1}
PLAIN = Method("none", paper=NONE)

METHODS = (
    PLAIN,
    guided("orthogonal", "never", ORTHOGONAL),
    guided("zero, dynamic", "dynamic", ZERO, DTP),
    guided("opposite 7.5, dynamic", "dynamic", OPPOSITE, OG_DTP, opposite_scale=7.5),
    guided("opposite 2, dynamic", "dynamic", OPPOSITE, opposite_scale=2.0),
    guided("conditional, dynamic (released script)", "dynamic", CONDITIONAL),
    guided("zero, static t = 500", "static", ZERO, static_percent=0.5),
    guided("opposite 2, static t = 650", "static", OPPOSITE, opposite_scale=2.0, static_percent=0.35),
    guided("zero, escape", "escape", ZERO),
    guided("opposite 2, escape", "escape", OPPOSITE, opposite_scale=2.0),
    words("random words", "random word", WORD),
    words("random numbers", "random number", NUMBER),
    Method("noise on the prompt", (Use("PerturbConditioning", {"positive": 0}),)),
    Method("prompt embedding (Wen), 3", (moved(0.0234),), WEN_3),
    Method("prompt embedding (Wen), 1", (moved(0.0078),), WEN_1),
    Method("cross-attention (Ren)", (Use("MitigateCrossAttention", {"model": 0, "positive": 1}),), REN),
    Method("repadded prompt (Kim & No)", (Use("RepadPrompt", {"positive": 0, "negative": 1}),)),
    Method("GUARD (Zhao)", (Use("GUARDGuider", {"guider": 0}),)),
    Method("start noise (Han)", (Use("AdjustInitialNoiseBatchwise", {"noise": 0}), patch(STATIC_900))),
    Method("start noise, per sample (Han)", (Use("AdjustInitialNoisePerSample", {"noise": 0}),)),
    Method("start noise (SAIL)", (Use("SharpnessAwareInitialNoise", {"noise": 0}),)),
    Method("rising guidance (Wang)", (Use("ScheduleGuidance", {"model": 0}, {"schedule": "increasing"}),)),
    Method("CADS (Sadat)", (Use("AnnealConditioning", {"model": 0}),)),
    Method("reinforced content (Joo)", (Use("ReinforceContent", {"model": 0, "positive": 1}),)),
    Method(
        "held norms (Huang)",
        (Use("CalibrateNorms", {"norms": 0}, {"seed": 0}), Use("HoldNorms", {"model": 0})),
    ),
    Method("re-anchored (PRSS)", (Use("ReanchorGuidance", {"guider": 0}),), needs_alternatives=True),
)

NOT_RUN = {
    "SilenceNeurons": "it needs the neurons of each prompt, which NeMo's own search finds",
    "AMGGuider": "it needs the pictures that must not be copied in the server's input folder",
    "MixStartNoise": "it needs a reference picture for each prompt",
}
