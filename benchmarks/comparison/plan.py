"""Which methods are sampled where, in which table; the most important first."""

from dataclasses import dataclass, replace

from ...samplers.settings import Settings
from ..harness import Evaluation, Sampling, evaluate
from ..methods import PLAIN, Method, guided
from ..testbeds import testbed
from . import choices

REPULSIONS = (0.0, 0.02, 0.05, 0.07, 0.1, 0.2)
DEFAULT = Settings("never", "orthogonal guidance")


def paper(name: str, transition: str, before: str, **settings) -> Method:
    return guided(name, Settings(transition, before, **{"latest_percent": 1.0, **settings}))


def orthogonal(repulsion: float, transition: str = "never") -> Method:
    end = "" if transition == "never" else f" + {transition}"
    settings = replace(DEFAULT, transition=transition, repulsion=repulsion, latest_percent=1.0)
    return guided(f"orthogonal {repulsion:g}{end}", settings)


ZERO_DYNAMIC = paper("zero + dynamic", "dynamic", "zero guidance")
PAPER = [
    ZERO_DYNAMIC,
    paper("zero + escape", "escape", "zero guidance"),
    paper("opposite 2 + dynamic", "dynamic", "opposite guidance"),
    paper("opposite 2 + escape", "escape", "opposite guidance"),
]
STATIC = [
    paper(f"zero + static t = {t}", "static", "zero guidance", static_percent=1 - t / 1000) for t in (700, 600, 500)
]
STRENGTHS = [orthogonal(repulsion) for repulsion in REPULSIONS]
OURS = orthogonal(DEFAULT.repulsion)
ESCAPES = [orthogonal(repulsion, "escape") for repulsion in (0.05, 0.1)]  # looked at on the tuning half only

FULL, HALF, LOW = Sampling(), Sampling(steps=25), Sampling(steps=25, cfg=5.0)
CONDITIONS = {
    "closed form eps": FULL,
    "closed form v": FULL,
    "closed form flow": FULL,
    "learned": HALF,
    "learned, guidance 5": LOW,
    "learned noise": HALF,
    "learned noise, guidance 5": LOW,
}
MAIN = ("closed form eps", "learned", "learned, guidance 5", "learned noise", "learned noise, guidance 5")
SAMPLERS = (
    "euler_ancestral", "dpm_2_ancestral", "dpmpp_2s_ancestral", "dpmpp_sde", "dpmpp_2m_sde", "dpmpp_3m_sde", "ddpm",
    "lcm", "heun", "dpmpp_2m", "uni_pc", "euler_cfg_pp",
)  # fmt: skip
SCENARIOS = ("small data set", "class labels", "duplicated items", "trigger words")


@dataclass(frozen=True)
class Job:
    """A method in a table: which captions, how many starts of each, and how they are sampled."""

    table: str
    condition: str
    method: Method
    sampling: Sampling
    kind: str = "memorized"
    half: str = "held_out"
    seeds: int = 8

    @property
    def name(self) -> str:
        return self.condition.partition(",")[0]

    @property
    def captions(self) -> tuple[str, ...]:
        return tuple(getattr(getattr(testbed(self.name), self.half), self.kind))[
            : 8 if self.kind == "memorized" else 12
        ]

    def evaluation(self) -> Evaluation:
        return evaluate(self.method, self.name, self.captions, self.seeds, self.sampling)


def choice_jobs(condition: str) -> list[Job]:
    """On the tuning half; of the class labels, whose testbed for this has one half only."""
    methods, sampling = choices.choices(condition), choices.CONDITIONS[condition]
    if condition not in CONDITIONS:
        return [Job("choices", condition, method, sampling, seeds=4) for method in methods]
    found = [Job("choices", condition, method, sampling, half="tuning", seeds=4) for method in methods]
    rules = methods[: 1 + len(choices.VARIANTS)]
    return found + [Job("choices", f"{condition}, ordinary", m, sampling, "ordinary", "tuning", 2) for m in rules]


def jobs() -> list[Job]:
    """The most important first."""
    found = [choice for condition in choices.CONDITIONS for choice in choice_jobs(condition)]
    found += [
        Job("tuning", condition, method, CONDITIONS[condition], half="tuning", seeds=4)
        for condition in MAIN
        for method in (*STRENGTHS, *ESCAPES)
    ]
    found += [Job("memorized", condition, m, CONDITIONS[condition]) for condition in MAIN for m in (PLAIN, *STRENGTHS)]
    found += [
        Job("ordinary", condition, method, CONDITIONS[condition], "ordinary", seeds=6)
        for condition in MAIN
        for method in (PLAIN, ZERO_DYNAMIC, PAPER[1], PAPER[2], OURS)
    ]
    found += [Job("memorized", condition, m, CONDITIONS[condition]) for condition in MAIN for m in PAPER]
    found += [
        Job("samplers", f"{name}, {sampler}", method, replace(HALF, sampler=sampler), seeds=4)
        for sampler in SAMPLERS
        for name, methods in {"learned": (PLAIN, ZERO_DYNAMIC, OURS), "closed form eps": (PLAIN, OURS)}.items()
        for method in methods
    ]
    found += [
        Job("memorized", c, m, CONDITIONS[c]) for c in ("closed form v", "closed form flow") for m in (PLAIN, OURS)
    ]
    found += [
        Job("ordinary", c, OURS, CONDITIONS[c], "ordinary", seeds=6) for c in ("closed form v", "closed form flow")
    ]
    found += [Job("scenarios", name, method, FULL, seeds=4) for name in SCENARIOS for method in (PLAIN, PAPER[1], OURS)]
    return found + [Job("memorized", c, m, CONDITIONS[c]) for c in ("closed form eps", "learned") for m in STATIC]
