"""The guidance rule as the two CFG hooks of ComfyUI, for one sampling run.

The pre-CFG hook stands before those of every other node: it sees what the model said. The post-CFG hook stands after
them: a sample under CFG keeps what the host and other nodes made of it, bit for bit, and nothing brings guidance back
to a sample that waits. Guiders that run no pre-CFG hooks show the same predictions to the post-CFG hook.
"""

import math
from typing import NamedTuple

from torch import Tensor

from ..guidance import before_transition, select
from ..settings import ORTHOGONAL
from .hosted_run import HostedRun
from .scale import check_known_scale
from .uncopied import Uncopied

PRE_CFG = "sampler_pre_cfg_function"


class Decided(NamedTuple):
    """What was decided in a model call: for its input x the mask, the two predictions it was decided on, and the
    conditional one that is to be followed."""

    x: Tensor
    on: Tensor
    cond: Tensor
    uncond: Tensor
    followed: Tensor


class CFGHooks(Uncopied):
    """`pre_cfg` and `post_cfg` of one run.

    negative  which prediction of the pre-CFG hook is D_u (PerpNegGuider has its empty prompt as a third one)
    """

    def __init__(self, hosted: HostedRun, negative: int = 1):
        self.hosted, self.settings, self.negative = hosted, hosted.settings, negative
        self.decided: Decided | None = None
        self.passed: Tensor | None = None  # the input of a call without guidance

    def pre_cfg(self, args: dict) -> list:
        predictions, pair = args["conds_out"], (0, self.negative)
        conds = [None if predictions[k] is None else args["conds"][k] for k in pair]
        if self.hosted.unguided(args["sigma"], *conds):
            self.passed = args["input"]
            return predictions
        decided = self.decide(args, predictions[0], predictions[self.negative])
        return [decided.followed, *predictions[1:]] if self.settings.before_transition == ORTHOGONAL else predictions

    def post_cfg(self, args: dict) -> Tensor:
        denoised, before_cfg, passed = args["denoised"], self.decided, self.passed
        self.decided = self.passed = None
        if passed is args["input"]:
            return denoised
        if before_cfg is None or before_cfg.x is not args["input"]:  # a guider that runs no pre-CFG hooks
            negative = "empty_cond" if "empty_cond" in args else "uncond"
            if self.hosted.unguided(args["sigma"], args["cond"], args[negative]):
                return denoised
            decided = self.decide(args, args["cond_denoised"], args[f"{negative}_denoised"])
            # Linear in D_c: what the host's CFG makes of D_c'.
            followed = denoised + (decided.followed - decided.cond) * args.get("cond_scale", math.nan)
            self.decided = None
        else:
            decided, followed = before_cfg, denoised
        if self.settings.before_transition != ORTHOGONAL:
            followed = before_transition(self.settings, decided.followed, decided.uncond)
        return select(decided.on, denoised, followed)

    def decide(self, args: dict, cond: Tensor, uncond: Tensor) -> Decided:
        """Follow the rule through a model call with these predictions."""
        x, sigma, scale = args["input"], args["sigma"], args.get("cond_scale", math.nan)
        if "cond_scale" not in args:
            check_known_scale(self.settings)
        run, computed = self.hosted.start(x, args["model"], scale), self.hosted.guided(args["model_options"])
        on = run(x, cond, uncond, sigma, scale, computed)
        if len(args["model_options"].get(PRE_CFG, [])) > 1:  # some nodes write into the predictions they are handed
            cond, uncond = cond.clone(), uncond.clone()
        self.decided = Decided(x, on, cond, uncond, run.mitigated(cond, uncond, on))
        return self.decided
