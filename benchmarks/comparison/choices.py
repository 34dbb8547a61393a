"""What orthogonal guidance is chosen among, on the tuning halves: a table of methods for each condition."""

from ...samplers.settings import Settings
from ..harness import Sampling
from ..methods import PLAIN, Method, guided
from ..testbeds import testbed
from .variants import Variant, against, from_picture, variant

SETTINGS = Settings("never", "orthogonal guidance")
R = SETTINGS.repulsion
OURS = guided("as it is: two pulls, 1.75", SETTINGS)
VARIANTS = {
    "one pull": Variant(R),
    "two pulls, 1": Variant(R, 2, 1.0),
    "two pulls, 1.25": Variant(R, 2, 1.25),
    "two pulls, 1.5": Variant(R, 2, 1.5),
    "two pulls, 2": Variant(R, 2, 2.0),
    "four pulls, 1.75": Variant(R, 4, 1.75),
    "the second in place of the first, 1.75": Variant(R, factor=1.75, exchanged=True),
    "v = M - D_u": Variant(R, to_first_image=True),
    "v: mean over the batch": Variant(R, shared=True),
}
CONDITIONS = {
    "closed form eps": Sampling(),
    "class labels to tune": Sampling(),
    "learned": Sampling(steps=25),
    "learned noise": Sampling(steps=25),
}
FROM = (0.2, 0.4)  # of the schedule, where a run begins below full noise


def choices(condition: str) -> list[Method]:
    """All that differs in the rule, and, where captions are memorized, a negative prompt and runs from a picture."""
    found = [OURS, *(variant(name, chosen) for name, chosen in VARIANTS.items())]
    return found if condition == "class labels to tune" else found + _other_runs(condition)


def _other_runs(name: str) -> list[Method]:
    bed = testbed(name)
    prompt = bed.tuning.ordinary[-1]
    encoded, model = bed.encode(prompt), bed.model.model
    picture = model.process_latent_in(bed.real(bed.tuning.ordinary[:1])[:1])
    ours = variant("one pull", VARIANTS["one pull"])
    beside = [against(prompt, encoded, m) for m in (PLAIN, ours)]
    beside.append(against(prompt, encoded, ours, VARIANTS["one pull"]))
    return beside + [from_picture(method, picture, percent) for percent in FROM for method in (PLAIN, OURS)]
