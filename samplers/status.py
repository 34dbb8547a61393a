"""What a node says of its run: a sentence or more that never claim protection where there is none."""

from dataclasses import dataclass

from .settings import BEFORE_TRANSITIONS, BY_IMAGE, OFF, ORTHOGONAL, ZERO, Settings


@dataclass
class Facts:
    """What the host's part knows of a run beside its numbers.

    sampler_adds_noise   the sampler draws noise on the way; None where that could not be found out
    model_calls          number of calls of the CFG hooks
    without_guidance     of these, the calls in which one of the two predictions is missing
    from_cache           of these, the calls that a step cache answered
    cfg_1                the guidance scale is 1: the negative pass is run for this node alone
    other_corrections    other nodes' hooks after CFG, which act from the transition on only
    changed_after        other nodes' hooks after ours, which nothing here can hold back
    another              another Basin Escape patch acts on the same model
    interrupted          the run did not come to its end
    """

    sampler_adds_noise: bool | None = False
    model_calls: int = 0
    without_guidance: int = 0
    from_cache: int = 0
    cfg_1: bool = False
    other_corrections: bool = False
    changed_after: bool = False
    another: bool = False
    interrupted: bool = False


@dataclass(frozen=True)
class Status:
    """kind: off, protecting, not memorized, no effect, warning or interrupted; sentences: one or more of PHRASES."""

    kind: str
    sentences: tuple[str, ...]

    @property
    def text(self) -> str:
        return " ".join(self.sentences)


INTERRUPTED = "interrupted"
NO_EFFECT = "no effect"
WARNING = "warning"

WITHOUT_GUIDANCE = (
    "one of the two predictions is missing (cfg 1, BasicGuider, a prompt that is limited to other timesteps, or a node "
    "that saves a pass), so there is no guidance to switch and none to record."
)
BROKEN_OFF = "interrupted: there is no picture of this run."
PLAIN, UNGUIDED = "off: plain CFG.", f"off: {WITHOUT_GUIDANCE}"
PROTECTING = "protecting: {}."
ALL_GATED, SOME_GATED = "not memorized: plain CFG.", "{} of {} not memorized: plain CFG."
NO_CALLS = "no effect: nothing was sampled (denoise 0), or this guider runs no CFG hooks: use Basin Escape Guider."
NO_GUIDANCE = f"no effect: {WITHOUT_GUIDANCE}"
NO_STEP = "no effect: no step is left before the transition (denoise is low, or the transition early)."
NOISE = (
    "this sampler adds noise, under which {} lets copies through: take orthogonal guidance with transition never, or "
    "another sampler."
)
UNTRIED = (
    "this sampler could not be tried out. If it adds noise, {} lets copies through: take orthogonal guidance with "
    "transition never, or another sampler."
)
CFG_1 = "cfg is 1: twice the model calls. Set transition to off for models made for cfg 1 (turbo, LCM)."
SOME_UNGUIDED = f"in {{}} of {{}} model calls {WITHOUT_GUIDANCE} Copies may come from there."
CHANGED_AFTER = "another node works on the result after this one: guidance of its own acts throughout."
ANOTHER = "another Basin Escape patch acts on this model: remove one of the two."
CACHED = "a step cache answered {} of {} model calls, which decide nothing: the transition comes later."
CORRECTIONS = "other nodes' corrections after CFG act from the transition on only."
# What a node may say of its run, a {} for every number: its page translates these.
PHRASES = (
    *(PROTECTING.format(choice) for choice in BEFORE_TRANSITIONS),
    *(text.format(choice) for text in (NOISE, UNTRIED) for choice in BY_IMAGE),
    *(BROKEN_OFF, PLAIN, UNGUIDED, ALL_GATED, SOME_GATED, NO_CALLS, NO_GUIDANCE, NO_STEP),
    *(CFG_1, SOME_UNGUIDED, CHANGED_AFTER, ANOTHER, CACHED, CORRECTIONS),
)


def status(settings: Settings, facts: Facts, gated: int, images: int, from_the_start: int) -> Status:
    """What is to be said of a run that is going on or over.

    gated, images: how many images are not memorized, and how many there are; from_the_start: on how many of the others
    CFG acts from the first observation on.
    """
    if facts.interrupted:
        return Status(INTERRUPTED, (BROKEN_OFF,))
    unguided = facts.model_calls == facts.without_guidance > 0
    if settings.transition == OFF:
        return Status(OFF, (UNGUIDED if unguided else PLAIN,))
    none = _no_effect(facts, images - gated, from_the_start)
    if none:
        return Status(NO_EFFECT, (none,))
    if images and gated == images:
        return Status("not memorized", (ALL_GATED,))
    warnings = _warnings(settings, facts)
    if warnings:
        return Status(WARNING, tuple(warnings))
    some = (SOME_GATED.format(gated, images),) if gated else ()
    return Status("protecting", (PROTECTING.format(settings.before_transition), *some))


def _no_effect(facts: Facts, mitigated: int, from_the_start: int) -> str:
    if not facts.model_calls:
        return NO_CALLS
    if facts.without_guidance == facts.model_calls:
        return NO_GUIDANCE
    return NO_STEP if mitigated and from_the_start == mitigated else ""


def _warnings(settings: Settings, facts: Facts) -> list[str]:
    found = []
    if settings.transition in BY_IMAGE and settings.before_transition != ORTHOGONAL:
        if facts.sampler_adds_noise:
            found.append(NOISE.format(settings.transition))
        if facts.sampler_adds_noise is None:
            found.append(UNTRIED.format(settings.transition))
    if facts.cfg_1:
        found.append(CFG_1)
    if facts.without_guidance:
        found.append(SOME_UNGUIDED.format(facts.without_guidance, facts.model_calls))
    if facts.changed_after:
        found.append(CHANGED_AFTER)
    if facts.another:
        found.append(ANOTHER)
    if facts.from_cache:
        found.append(CACHED.format(facts.from_cache, facts.model_calls))
    if facts.other_corrections and settings.before_transition == ZERO:
        found.append(CORRECTIONS)
    return found
