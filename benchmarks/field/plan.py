"""Which methods are compared, each with some settings, and on what."""

from collections.abc import Sequence
from dataclasses import dataclass

from ..comparison.plan import OURS, PAPER, STRENGTHS
from ..harness import Evaluation, Sampling, evaluate
from ..methods import PLAIN, Method
from ..testbeds import testbed
from . import amg, attention, combined, embedding, experimental, gradients
from . import methods as field

CONDITIONS = {"learned": Sampling(steps=25), "learned noise": Sampling(steps=25), "closed form eps": Sampling()}
EXACT = "closed form eps"  # has no attention, and pads no prompt


@dataclass(frozen=True)
class Family:
    """A published method, with the settings that it is tried with; attention: it needs a network that has some."""

    name: str
    settings: Sequence[Method]
    attention: bool = False

    def on(self, condition: str) -> Sequence[Method]:
        return () if self.attention and condition == EXACT else self.settings


FAMILIES = (
    Family("plain CFG", [PLAIN]),
    Family("orthogonal guidance (ours)", STRENGTHS),
    Family("orthogonal guidance as it is set (ours)", [OURS]),
    Family("zero guidance, dynamic (Jain et al.)", PAPER[:1]),
    Family("zero guidance, escape (ours)", PAPER[1:2]),
    Family("opposite guidance, dynamic (Jain et al.)", PAPER[2:3]),
    Family("zero guidance, static (Jain et al.)", field.STATIC),
    Family("batch-wise noise (Han et al.)", field.NOISES),
    Family("guidance schedules (Wang et al.)", field.SCHEDULES),
    Family("guidance interval (Kynkaanniemi et al.)", field.INTERVALS),
    Family("CADS (Sadat et al.)", field.ANNEALINGS),
    Family("words added (Somepalli et al.)", field.WORDS),
    Family("noise on the prompt (Somepalli et al.)", field.EMBEDDINGS),
    Family("re-anchoring (PRSS, Chen et al.)", field.REANCHORED),
    Family("held norm (Huang et al., experimental)", experimental.HELD),
    Family("mixed start (CAPTAIN, experimental)", experimental.MIXED),
    Family("smoothed attention (Joo et al., experimental)", experimental.REINFORCED, attention=True),
    Family("re-padding (Kim and No)", field.PADDINGS, attention=True),
    Family("first token and padding (Ren et al.)", attention.REN, attention=True),
    Family("GUARD (Zhao et al.)", attention.GUARDS, attention=True),
    Family("per-sample noise (Han et al.)", gradients.PER_SAMPLE),
    Family("SAIL (Jeon et al.)", gradients.SHARPNESS_AWARE),
    Family("prompt moved by gradients (Wen et al.)", embedding.MOVED),
    Family("batch-wise noise, orthogonal guidance", combined.WITH_NOISE),
    Family("words or noise added, orthogonal guidance", combined.WITH_PROMPT),
    Family("moved prompt, orthogonal guidance", combined.WITH_MOVED),
    Family("CADS or interval, orthogonal guidance", combined.WITH_GUIDANCE),
    Family("re-padding, orthogonal guidance", combined.WITH_PADDING, attention=True),
    Family("GUARD, orthogonal guidance", combined.WITH_GUARD, attention=True),
    Family("AMG with the pictures at hand (Chen et al.)", amg.PICTURES_AT_HAND),
)


@dataclass(frozen=True)
class Job:
    """A method's pictures: family and number of the setting in it, as a process can be told them."""

    family: int
    setting: int
    condition: str
    half: str
    kind: str = "memorized"
    seeds: int = 2

    @property
    def method(self) -> Method:
        return FAMILIES[self.family].on(self.condition)[self.setting]

    @property
    def captions(self) -> Sequence[str]:
        captions = getattr(getattr(testbed(self.condition), self.half), self.kind)
        return captions[: 4 if self.half == "tuning" else 8]

    def evaluation(self) -> Evaluation:
        return evaluate(self.method, self.condition, self.captions, self.seeds, CONDITIONS[self.condition])


def trials() -> list[Job]:
    """Every setting, on the tuning half."""
    return [
        Job(number, setting, condition, "tuning")
        for condition in CONDITIONS
        for number, family in enumerate(FAMILIES)
        for setting in range(len(family.on(condition)))
    ]


def finals(chosen: Sequence[Job]) -> list[Job]:
    """The chosen settings, on the held-out half: memorized captions, and ordinary ones without a gate."""
    held_out = [Job(job.family, job.setting, job.condition, "held_out", seeds=4) for job in chosen]
    return held_out + [Job(job.family, job.setting, job.condition, "held_out", "ordinary", 2) for job in chosen]
