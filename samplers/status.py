"""What a node says of its run: one line that never claims protection where there is none."""

from dataclasses import dataclass

from .settings import BY_IMAGE, OFF, ORTHOGONAL, ZERO, Settings


@dataclass
class Facts:
    """What the host's part knows of a run beside its numbers.

    sampler_adds_noise   the sampler draws noise on the way
    model_calls          number of calls of the CFG hooks
    without_guidance     of these, the calls in which one of the two predictions is missing
    from_cache           of these, the calls that a step cache answered
    cfg_1                the guidance scale is 1: the negative pass is run for this node alone
    other_corrections    other nodes' hooks after CFG, which act from the transition on only
    another              another Basin Escape patch acts on the same model
    interrupted          the run did not come to its end
    """

    sampler_adds_noise: bool = False
    model_calls: int = 0
    without_guidance: int = 0
    from_cache: int = 0
    cfg_1: bool = False
    other_corrections: bool = False
    another: bool = False
    interrupted: bool = False


@dataclass(frozen=True)
class Status:
    """kind: off, protecting, not memorized, no effect, warning or interrupted; text: a sentence or two."""

    kind: str
    text: str


WITHOUT_GUIDANCE = (
    "one of the two predictions is missing (cfg 1, BasicGuider, or a prompt that is limited to other timesteps), so "
    "there is no guidance to switch and none to record."
)
INTERRUPTED = "interrupted"
NO_EFFECT = "no effect"
WARNING = "warning"


def status(settings: Settings, facts: Facts, gated: int, images: int, from_the_start: int) -> Status:
    """The line of a run that is going on or over.

    gated, images: how many images are not memorized, and how many there are; from_the_start: on how many of the others
    CFG acts from the first observation on.
    """
    if facts.interrupted:
        return Status(INTERRUPTED, "interrupted: there is no picture of this run.")
    unguided = facts.model_calls == facts.without_guidance > 0
    if settings.transition == OFF:
        return Status(OFF, f"off: {WITHOUT_GUIDANCE}" if unguided else "off: plain CFG.")
    none = _no_effect(settings, facts, images - gated, from_the_start)
    if none:
        return Status(NO_EFFECT, f"no effect: {none}")
    if images and gated == images:
        return Status("not memorized", "not memorized: plain CFG.")
    warnings = _warnings(settings, facts)
    if warnings:
        return Status(WARNING, " ".join(warnings))
    some = f", {gated} of {images} not memorized: plain CFG" if gated else ""
    return Status("protecting", f"protecting: {settings.before_transition}{some}.")


def _no_effect(settings: Settings, facts: Facts, mitigated: int, from_the_start: int) -> str:
    if not facts.model_calls:
        return "nothing was sampled (denoise 0), or this guider runs no CFG hooks: use Basin Escape Guider."
    if facts.without_guidance == facts.model_calls:
        return WITHOUT_GUIDANCE
    if mitigated and from_the_start == mitigated:
        return "no step is left before the transition (denoise is low, or the transition early)."
    return ""


def _warnings(settings: Settings, facts: Facts) -> list[str]:
    found = []
    if facts.sampler_adds_noise and settings.transition in BY_IMAGE and settings.before_transition != ORTHOGONAL:
        found.append(
            f"this sampler adds noise, under which {settings.transition} lets copies through: take orthogonal guidance "
            "with transition never, or another sampler."
        )
    if facts.cfg_1:
        found.append("cfg is 1: twice the model calls. Set transition to off for models made for cfg 1 (turbo, LCM).")
    if facts.without_guidance:
        found.append(f"in {facts.without_guidance} of {facts.model_calls} model calls {WITHOUT_GUIDANCE}")
    if facts.another:
        found.append("another Basin Escape patch acts on this model: remove one of the two.")
    if facts.from_cache:
        share = f"{facts.from_cache} of {facts.model_calls}"
        found.append(f"a step cache answered {share} model calls, which decide nothing: the transition comes later.")
    if facts.other_corrections and settings.before_transition == ZERO:
        found.append("other nodes' corrections after CFG act from the transition on only.")
    return found
