"""Methods of the field that are reconstructed, in part or from an abstract, as rows of the tables."""

from dataclasses import replace
from functools import cache
from typing import Any

import comfy.samplers
import torch

from ...nodes import NODE_CLASS_MAPPINGS as NODES
from ...samplers.held_norm import CleanNorms
from ...samplers.host.clean_norms import hold_norms, recorded, statistics
from ...samplers.mixed_start import mixed_start
from ..harness import start_noise
from ..methods import Method, Setup, stock, with_conds
from .methods import without_title

CALIBRATION = 4  # pictures of each ordinary caption of the tuning half


def held(limit: float) -> Method:
    """Huang et al.: Hold Norms, under Euler. Calibrated once for a schedule, which is no cost of a picture."""

    def change(setup: Setup) -> Setup:
        norms = calibrated(setup.bed, tuple(setup.sigmas.tolist()), setup.cfg)
        return replace(setup, model=hold_norms(setup.model, norms, limit))

    return Method(f"norm held beyond {limit:g} x limit", change, ("held norm", limit, CALIBRATION))


@cache
def calibrated(bed: Any, schedule: tuple[float, ...], cfg: float) -> CleanNorms:
    """Calibrate Norms on a model of its own. ValueError for a testbed that has no ordinary captions to tune with."""
    if not bed.tuning.ordinary:
        raise ValueError("This testbed has no ordinary captions to calibrate with.")
    other, sigmas, recorders = bed.another(), torch.tensor(schedule), []
    for caption in bed.tuning.ordinary:
        watched, recorder = recorded(other.model, schedule)
        guider = comfy.samplers.CFGGuider(watched)
        guider.set_conds(other.encode(caption), other.encode(""))
        guider.set_cfg(cfg)
        seeds = bed.seeds(caption, CALIBRATION)
        noise = start_noise(bed.latent_shape, seeds)
        sampler = comfy.samplers.sampler_object("euler")
        guider.sample(noise, torch.zeros_like(noise), sampler, sigmas, disable_pbar=True, seed=seeds[0])
        recorders.append(recorder)
    return statistics(recorders)


def reinforced(width: float, reinforce: float = 0.5, attenuate: float = 0.5) -> Method:
    """Joo, Kim, Han et al.: Reinforce Content. The closed form has no attention: it raises there, by name."""
    gains = reinforce, attenuate

    def change(setup: Setup) -> Setup:
        node = NODES["ReinforceContent"]()
        model, positive = node.reinforce(setup.model, setup.clip, setup.caption, width, *gains)
        return replace(setup, model=model, positive=positive)

    name = f"attention smoothed {width:g}, words +{reinforce:g}, pads -{attenuate:g}"
    return Method(name, change, ("reinforced", width, *gains))


def mixed(cutoff: float) -> Method:
    """Zhang et al.: Mix Start Noise. The reference is a picture of the caption without its title, from the first start:
    it costs as much as another picture for each caption."""

    def change(setup: Setup) -> Setup:
        plain = replace(setup, positive=setup.bed.encode(without_title(setup.caption)[0]), noise=setup.noise[:1])
        sampler, empty = comfy.samplers.sampler_object("euler"), torch.zeros_like(plain.noise)
        guider = with_conds(stock(plain), plain)
        made = guider.sample(plain.noise, empty, sampler, setup.sigmas, disable_pbar=True, seed=setup.seeds[0])
        reference = setup.model.model.process_latent_in(made)
        return replace(setup, noise=mixed_start(setup.noise, reference, cutoff))

    return Method(f"start mixed up to {cutoff:g}", change, ("mixed start", cutoff))


HELD = [held(limit) for limit in (0.0, 0.25, 0.5, 1.0)]
REINFORCED = [
    *(reinforced(width) for width in (0.0, 1.0, 2.0, 4.0)),
    reinforced(2.0, 0.0, 0.0),
    *(reinforced(2.0, reinforce, 1.0) for reinforce in (0.5, 1.0)),
]
MIXED = [mixed(cutoff) for cutoff in (0.1, 0.2, 0.3, 0.45)]
