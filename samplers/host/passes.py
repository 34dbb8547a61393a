"""The passes of one model call under a guider: the pair of CFG, one in the negative prompt's place, one for both."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import comfy.samplers
from comfy.model_patcher import set_model_options_post_cfg_function
from torch import Tensor

from .conditioning import absent
from .patch import HOOKS, SECOND_PASS, add_hooks

# The option by which other nodes work on both predictions at once.
IN_ITS_OWN_WAY = "sampler_calc_cond_batch_function"


def stock_and_pair(
    guider: Any, x: Tensor, timestep: Tensor, model_options: dict, seed: int | None
) -> tuple[Tensor, tuple[Tensor, Tensor] | None]:
    """What the host's CFGGuider `guider` predicts, and the D_c and D_u that this was made of, [batch, ...] each.

    No pair where the host hands over zeros in a prediction's place.
    """
    seen: list[tuple[Tensor, Tensor]] = []

    def post_cfg(args: dict) -> Tensor:
        seen.append((args["cond_denoised"], args["uncond_denoised"]))
        return args["denoised"]

    options = set_model_options_post_cfg_function(model_options.copy(), post_cfg, disable_cfg1_optimization=True)
    conds = guider.conds["negative"], guider.conds["positive"]
    stock = comfy.samplers.sampling_function(guider.inner_model, x, timestep, *conds, guider.cfg, options, seed)
    return stock, None if any(absent(each, timestep) for each in conds) else seen[-1]


@dataclass(frozen=True)
class Passes:
    """What the passes of a call have in common.

    model     the host's inner model
    positive  prepared conditioning, as all of those handed to the methods
    x         [batch, ...], at the noise level `timestep` [batch]
    options   the host's, for this call
    """

    model: Any
    positive: list
    cfg: float
    x: Tensor
    timestep: Tensor
    options: dict
    seed: int | None

    def pair(self, negative: list) -> Tensor:
        """The host's classifier-free guidance by the positive prompt and `negative`, with all hooks."""
        return comfy.samplers.sampling_function(
            self.model, self.x, self.timestep, negative, self.positive, self.cfg, self.options, self.seed
        )

    def conditional(self) -> Tensor:
        """The prediction of the positive prompt."""
        return comfy.samplers.calc_cond_batch(self.model, [self.positive, None], self.x, self.timestep, self.options)[0]

    def negative(self, conds: list) -> Tensor:
        """One prediction in the negative prompt's place, so that patches that tell the two apart see it as such.

        A node that predicts in its own way is asked for a pair, as it expects to be.
        """
        if IN_ITS_OWN_WAY in self.options:
            args = {"input": self.x, "sigma": self.timestep, "model": self.model, "model_options": self.options}
            return self.options[IN_ITS_OWN_WAY]({**args, "conds": [self.positive, conds]})[1]
        return comfy.samplers.calc_cond_batch(self.model, [None, conds], self.x, self.timestep, self.options)[1]

    def for_both(self, prediction: Tensor, conds: list) -> Tensor:
        """Let a prediction, that of `conds`, stand for both: every hook of the host still has its call."""
        with for_one_call(self.options) as options:
            set_model_options_post_cfg_function(options, lambda args: prediction)
            return comfy.samplers.cfg_function(
                self.model, prediction, prediction, self.cfg, self.x, self.timestep, options, self.positive, conds
            )

    @contextmanager
    def hooked(self, hooks: Any, second_pass: bool) -> "Iterator[Passes]":
        """The same with `pre_cfg` and `post_cfg` of hooks around those of other nodes."""
        with for_one_call(self.options) as options:
            add_hooks(options, hooks, second_pass)
            yield replace(self, options=options)


@contextmanager
def for_one_call(model_options: dict) -> Iterator[dict]:
    """A copy of the host's options, to be given hooks. What other nodes put into it, the host's keep.

    Some remember the call before there (momentum).
    """
    options = model_options.copy()
    yield options
    ours = (*HOOKS, SECOND_PASS)
    model_options.update({key: value for key, value in options.items() if key not in ours})
