"""The guidance rule as the two CFG hooks of ComfyUI, for one sampling run.

The pre-CFG hook stands before those of every other node: it sees what the model said. The post-CFG hook stands after
them: a sample under CFG keeps what the host and other nodes made of it, bit for bit, and nothing brings guidance back
to a sample that waits. Guiders that run no pre-CFG hooks show the same predictions to the post-CFG hook.
"""

import logging
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from torch import Tensor

from ..guidance import before_transition, select
from ..run import Run
from ..settings import ESCAPE, ORTHOGONAL, Settings
from ..trace import Listener
from .conditioning import absent


class Uncopied:
    """What stands in the host's options, which other nodes copy, and which some send to other processes.

    A deep copy is the thing itself, so that a run stays one; elsewhere it does nothing.
    """

    def __deepcopy__(self, memo: dict) -> "Uncopied":
        return self

    def __reduce__(self) -> tuple:
        return (Elsewhere, ())


class Elsewhere:
    """The hooks and the wrapper of a run where there is no run of theirs."""

    def pre_cfg(self, args: dict) -> list:
        return args["conds_out"]

    def post_cfg(self, args: dict) -> Tensor:
        return args["denoised"]

    def __call__(self, executor, *args, **kwargs):
        return executor(*args, **kwargs)


class Decided(NamedTuple):
    """What was decided in a model call: for its input x the mask, the two predictions it was decided on, and the
    conditional one that the host's CFG is to follow."""

    x: Tensor
    on: Tensor
    cond: Tensor
    uncond: Tensor
    followed: Tensor


class CFGHooks(Uncopied):
    """`pre_cfg` and `post_cfg` of one run, and the run itself once a model call has begun it.

    sigmas    the schedule, where the host tells it
    begins    is told of the run when it begins
    negative  which prediction of the pre-CFG hook is D_u (PerpNegGuider has its empty prompt as a third one)
    """

    def __init__(
        self,
        settings: Settings,
        sigmas: Sequence[float] | None,
        listener: Listener | None = None,
        begins: Callable[[Run], None] = lambda run: None,
        negative: int = 1,
    ):
        self.settings, self.sigmas, self.listener, self.begins = settings, sigmas, listener, begins
        self.negative = negative
        self.run: Run | None = None
        self.decided: Decided | None = None
        self.warned = False

    def start(self, x: Tensor, model: Any, scale: float | Tensor) -> Run:
        """The run, begun by its first model call."""
        if self.run is None:
            percent_to_sigma = model.model_sampling.percent_to_sigma
            cfg = math.nan if isinstance(scale, Tensor) else scale
            self.run = Run(self.settings, percent_to_sigma, len(x), x[0].numel(), self.sigmas, cfg, self.listener)
            self.begins(self.run)
        return self.run

    def pre_cfg(self, args: dict) -> list:
        predictions, conds = args["conds_out"], args["conds"]
        if self.unguided(args["sigma"], conds[0], conds[self.negative]):
            return predictions
        decided = self.decide(args, predictions[0], predictions[self.negative])
        return predictions if decided.followed is decided.cond else [decided.followed, *predictions[1:]]

    def post_cfg(self, args: dict) -> Tensor:
        denoised, before_cfg = args["denoised"], self.decided
        if before_cfg is None or before_cfg.x is not args["input"]:  # a guider that runs no pre-CFG hooks
            negative = "empty_cond" if "empty_cond" in args else "uncond"
            if self.unguided(args["sigma"], args["cond"], args[negative]):
                return denoised
            decided = self.decide(args, args["cond_denoised"], args[f"{negative}_denoised"])
            # Linear in D_c: what the host's CFG makes of D_c'.
            followed = denoised + (decided.followed - decided.cond) * args.get("cond_scale", math.nan)
        else:
            decided, followed = before_cfg, denoised
        self.decided = None
        if self.settings.before_transition != ORTHOGONAL:
            followed = before_transition(self.settings, decided.cond, decided.uncond)
        return select(decided.on, denoised, followed)

    def decide(self, args: dict, cond: Tensor, uncond: Tensor) -> Decided:
        """Follow the rule through a model call with these predictions."""
        x, sigma, scale = args["input"], args["sigma"], args.get("cond_scale", math.nan)
        if "cond_scale" not in args:
            check_known_scale(self.settings)
        run = self.start(x, args["model"], scale)
        on = run(x, cond, uncond, sigma, scale)
        self.decided = Decided(x, on, cond, uncond, run.mitigated(cond, on))
        return self.decided

    def unguided(self, sigma: Tensor, *conds: list[dict] | None) -> bool:
        """Whether one of the conditionings has no prediction in a model call at sigma [batch]; says so once."""
        missing = any(absent(cond, sigma) for cond in conds)
        if missing and not self.warned:
            self.warned = True
            logging.warning(
                "Basin Escape: one of the two predictions is missing (cfg 1, a guider without a negative prompt, or a "
                "prompt that is limited to other timesteps), so there is no guidance to switch and none to record."
            )
        return missing


def check_known_scale(settings: Settings) -> None:
    """Raise ValueError for settings that need the guidance scale, where a hook is not told of it."""
    needs = {ESCAPE: settings.transition, ORTHOGONAL: settings.before_transition}
    for choice, chosen in needs.items():
        if choice == chosen and settings.mitigates:
            raise ValueError(
                f"{choice} needs the guidance scale, but this ComfyUI, with this guider, does not tell it to a model "
                "patch. Use Basin Escape Guider or KSampler (Basin Escape), or choose zero guidance and dynamic."
            )
