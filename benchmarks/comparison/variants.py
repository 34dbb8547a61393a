"""Other ways to take the first pull out of the prompt, to choose orthogonal guidance by.

Each is the method of samplers/orthogonal.py but for what its name says; the default repulsion everywhere. They are
written out here, apart from the pack's code, as one function before the host's CFG.
"""

from dataclasses import dataclass, replace

import comfy.samplers
import torch
from torch import Tensor

from ..methods import Method, Setup


@dataclass(frozen=True)
class Variant:
    """repulsion   r
    directions     how many may be taken out of each image's guidance
    factor         a further one where what is left is longer than the first pull, times this
    exchanged      the further one takes the place of the one before it
    to_first_image v is the way from D_u to the first D_c, measured anew in each call
    shared         v is the mean over the batch
    """

    repulsion: float
    directions: int = 1
    factor: float = 1.0
    exchanged: bool = False
    to_first_image: bool = False
    shared: bool = False


class Rule:
    """The state of one run: the function that makes D_c' of D_c and D_u, [batch, ...] each."""

    def __init__(self, variant: Variant):
        self.variant, self.ways = variant, []
        self.first = self.length = self.number = torch.empty(0)

    def __call__(self, cond: Tensor, uncond: Tensor) -> Tensor:
        g = (cond - uncond).flatten(1)
        if not self.ways:
            v = g.mean(0, keepdim=True).expand_as(g) if self.variant.shared else g
            self.ways, self.first, self.length, self.number = [v], cond, v.norm(dim=1), torch.ones(len(v))
        if self.variant.to_first_image:
            self.ways = [(self.first - uncond).flatten(1)]
        out = sum(share(g, v).clamp_min(0)[:, None] * v for v in self.ways)
        further = (g - out).norm(dim=1) > self.variant.factor * self.length
        if self.variant.exchanged:
            self.ways = [torch.where(further[:, None], g, self.ways[0])]
            out = torch.where(further[:, None], g, out)
        elif (further := further & (self.number < self.variant.directions)).any():
            rest = g - sum(share(g, v)[:, None] * v for v in self.ways)
            self.ways.append(torch.where(further[:, None], rest, 0))
            self.number = self.number + further
            out = out + self.ways[-1]
        return cond - (1 + self.variant.repulsion) * out.view_as(cond)


def share(g: Tensor, v: Tensor) -> Tensor:
    """<g, v> / <v, v> per sample [batch]; 0 where v is."""
    return ((g * v).sum(1) / v.square().sum(1)).nan_to_num(0)


def variant(name: str, chosen: Variant) -> Method:
    def change(setup: Setup) -> Setup:
        rule, model = Rule(chosen), setup.model.clone()
        model.set_model_sampler_pre_cfg_function(lambda args: [rule(*args["conds_out"]), args["conds_out"][1]])
        return replace(setup, model=model)

    return Method(name, change, chosen)


class BesideEmpty(comfy.samplers.CFGGuider):
    """The first pull is measured beside an empty prompt, in a third pass; CFG is from the negative prompt on."""

    def __init__(self, setup: Setup, empty: list, rule: Rule):
        super().__init__(setup.model)
        self.rule = rule
        self.inner_set_conds({"positive": setup.positive, "negative": setup.negative, "empty": empty})
        self.set_cfg(setup.cfg)

    def predict_noise(self, x: Tensor, timestep: Tensor, model_options: dict = {}, seed: int | None = None) -> Tensor:
        conds = [self.conds[name] for name in ("positive", "negative", "empty")]
        cond, uncond, empty = comfy.samplers.calc_cond_batch(self.inner_model, conds, x, timestep, model_options)
        followed = self.rule(cond, empty)
        return comfy.samplers.cfg_function(
            self.inner_model, followed, uncond, self.cfg, x, timestep, model_options, *conds[:2]
        )


def against(prompt: str, encoded: list, method: Method, beside_empty: Variant | None = None) -> Method:
    """The same with a negative prompt; with `beside_empty`, by that rule and a third pass of the empty one."""

    def change(setup: Setup) -> Setup:
        empty, setup = setup.negative, method.change(replace(setup, negative=encoded))
        rule = beside_empty and Rule(beside_empty)
        return replace(setup, guider=lambda setup: BesideEmpty(setup, empty, rule)) if rule else setup

    end = "" if beside_empty is None else ", D_u of an empty prompt"
    return Method(f"{method.name}, negative prompt{end}", change, (method.settings, prompt, beside_empty))


def from_picture(method: Method, picture: Tensor, percent: float) -> Method:
    """The same begun from a finished picture [1, *latent] (as the model sees it), at this percent of the schedule."""

    def change(setup: Setup) -> Setup:
        sigmas = setup.sigmas[int(percent * (len(setup.sigmas) - 1)) :]
        # From an empty latent, noise + picture / sigma is what sampling from the picture begins with.
        begun = replace(setup, sigmas=sigmas, noise=setup.noise + picture / sigmas[0])
        return method.change(begun)

    return Method(f"{method.name}, from a picture at {percent:g}", change, (method.settings, percent))
