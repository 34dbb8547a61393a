"""The widgets by which a user says what is followed before the transition, and when that is."""

from ..samplers.settings import (
    BEFORE_TRANSITIONS,
    BY_IMAGE,
    CONDITIONAL,
    NEVER,
    OFF,
    OPPOSITE,
    ORTHOGONAL,
    STATIC,
    TRANSITIONS,
    ZERO,
    Settings,
)

# The page reads these options. off: the choice that switches mitigation off, on the nodes that have the switch and the
# curve. shown_when: the choices of other widgets with which a widget has an effect. typed: what a number that is out of
# range, or unusual, looks like: from and to (a range that holds them), and, for a number of another unit, what it
# becomes (times, plus).
ON = [transition for transition in TRANSITIONS if transition != OFF]
PERCENT = [
    {"over": 1, "to": 100, "says": "looks like a percentage", "becomes": [0.01, 0]},
    {"over": 100, "to": 1000, "says": "looks like the timestep of the paper", "becomes": [-0.001, 1]},
]
HIGH = [{"over": 0.2, "to": 1000, "says": "is very high: every image that begins below it gets plain CFG"}]

FOLLOWED = {
    ZERO: "the unconditional prediction (the paper's method).",
    OPPOSITE: "away from the prompt, for an earlier transition.",
    CONDITIONAL: "the prompt at scale 1, as the paper's released script and guidance intervals do.",
    ORTHOGONAL: "the prompt at full scale without the direction in which its first step pulled, which for a memorized "
    "prompt is the way to the copy.",
}


def before_transition(choices, default):
    """The widget with some of the choices, each with what it says."""
    ours = {ORTHOGONAL: " (not in the paper)"}
    says = [f"{choice}{ours.get(choice, '')}: {FOLLOWED[choice]}" for choice in choices]
    return list(choices), {"default": default, "tooltip": " ".join(["What is followed before the transition.", *says])}


TRANSITION_WIDGETS = {
    "transition": (
        list(TRANSITIONS),
        {
            "default": NEVER,
            "off": OFF,
            "tooltip": "When plain CFG begins. never: not at all, before_transition is followed to the end. "
            "dynamic: each image at the first local minimum of its own guidance norm (Algorithm 1 of the paper). "
            "escape: each image once CFG no longer carries it to what the prompt showed in the first step (not in the "
            "paper). static: all images at static_percent. off: from the start, exactly as without this node.",
        },
    ),
    "before_transition": before_transition(BEFORE_TRANSITIONS, ORTHOGONAL),
    "opposite_scale": (
        "FLOAT",
        {
            "default": Settings.opposite_scale,
            "min": 0.0,
            "max": 30.0,
            "step": 0.1,
            "shown_when": {"transition": ON, "before_transition": [OPPOSITE]},
            "tooltip": "Strength of opposite guidance (unused by the other choices). The paper's algorithm takes the "
            "CFG scale itself (7.5), its released script 2.0. Stronger leaves the basin earlier, but harms prompts "
            "that are not memorized.",
        },
    ),
    "repulsion": (
        "FLOAT",
        {
            "default": Settings.repulsion,
            "min": 0.0,
            "max": 1.0,
            "step": 0.01,
            "shown_when": {"transition": ON, "before_transition": [ORTHOGONAL]},
            "tooltip": "Of orthogonal guidance: 0 takes the pull of the first step out, above it the image is pushed "
            "away from where that pull leads. Raise it (0.2) if pictures still resemble the copy, lower it if too "
            "little of the prompt is left.",
        },
    ),
    "static_percent": (
        "FLOAT",
        {
            "default": Settings.static_percent,
            "min": 0.0,
            "max": 1.0,
            "step": 0.001,
            "shown_when": {"transition": [STATIC]},
            "typed": PERCENT,
            "tooltip": "The static transition, as a share of sampling: 1 - t/1000 for the paper's timestep t. The "
            "paper used t = 500 (0.5) for Stable Diffusion 2.1 fine-tuned on LAION pictures, 700 and 600 (0.3, 0.4) on "
            "Imagenette, 650 (0.35) with opposite guidance. Later copies less and follows the prompt less.",
        },
    ),
    "latest_percent": (
        "FLOAT",
        {
            "default": Settings.latest_percent,
            "min": 0.0,
            "max": 1.0,
            "step": 0.001,
            "shown_when": {"transition": list(BY_IMAGE)},
            "typed": PERCENT,
            "tooltip": "Deadline of dynamic and escape: CFG acts from here on even if no transition was seen. 1.0 is "
            "the paper's rule without a deadline; a prompt that is not memorized may then never be followed.",
        },
    ),
    "memorization_threshold": (
        "FLOAT",
        {
            "default": Settings.memorization_threshold,
            "min": 0.0,
            "max": 1.0,
            "step": 0.0001,
            "typed": HIGH,
            "tooltip": "The gate: an image whose guidance norm (RMS) in the first step is below this counts as not "
            "memorized and gets plain CFG. 0 mitigates always, which harms ordinary prompts. Find it with 0 and the "
            "plot: between the first points of ordinary and of memorized prompts. For runs from pure noise.",
        },
    ),
}
