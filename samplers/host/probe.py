"""The two predictions of a ComfyUI model at one noise level, outside of a sampling run."""

from typing import Any, NamedTuple

import comfy.samplers
import torch
from torch import Tensor

from .cfg_hooks import PRE_CFG
from .patch import unpatched


class Pair(NamedTuple):
    """Denoised predictions of the input x, [batch, ...] each, at sigma [batch]."""

    x: Tensor
    cond: Tensor
    uncond: Tensor
    sigma: Tensor


def probe(
    model: Any, positive: list, negative: list, samples: Tensor, noise: Tensor, sigma: float, seed: int = 0
) -> Pair:
    """What the model says of `samples` with `noise` [batch, ...] of the level sigma: one call for each prediction.

    The model's nodes act as in a run; the pack's guidance does not. ValueError where a prompt does not hold there.
    """
    found: list[Pair] = []

    def keep(args: dict) -> list:
        cond, uncond = args["conds_out"][:2]
        found.append(Pair(args["input"], cond, uncond, args["sigma"]))
        return args["conds_out"]

    patched = unpatched(model)
    options = patched.model_options
    patched.model_options = {
        **options,
        PRE_CFG: [keep, *options.get(PRE_CFG, [])],
        "disable_cfg1_optimization": True,
    }
    visit(patched, positive, negative, samples, noise, sigma, seed)
    if not (found[0].cond.any() and found[0].uncond.any()):
        raise ValueError(
            "There is no guidance to look at: positive and negative must both hold at this noise level. Leave out "
            "Conditioning (Set Timestep Range)."
        )
    return Pair(*(part.cpu() for part in found[0]))


def visit(
    model: Any, positive: list, negative: list, samples: Tensor, noise: Tensor, sigma: float, seed: int = 0
) -> None:
    """Call the model once for `samples` with `noise` of the level sigma, as a sampler would, at guidance scale 1."""
    guider = comfy.samplers.CFGGuider(model)
    guider.set_conds(positive, negative)
    guider.set_cfg(1.0)
    sampler = comfy.samplers.KSAMPLER(_call_once)
    guider.sample(noise, samples, sampler, torch.tensor([sigma, 0.0]), disable_pbar=True, seed=seed)


def _call_once(model: Any, x: Tensor, sigmas: Tensor, extra_args: dict, callback: Any = None, disable: Any = None):
    return model(x, sigmas[:1].expand(len(x)), **extra_args)
