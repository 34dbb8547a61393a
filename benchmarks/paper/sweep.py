"""Every transition of a start at once: CFG from step 0, 1, 2, ... and never.

One sweep of a start holds the answer to every rule that looks at the trajectory before the transition: the rule
names a step, the sweep has the picture. The oracle transition is read off it too.
"""

from dataclasses import dataclass
from typing import Any

import comfy.samplers
import torch
from torch import Tensor

from ...samplers.guidance import BEFORE_TRANSITION, per_sample
from ...samplers.schedule import Observations
from ...samplers.settings import ZERO
from ..harness import noise_on_the_way, sampler_of, schedule, start_noise
from ..testbeds import testbed

VERSION = 1  # of what a sweep gives: another one throws away the sweeps on disk


@dataclass(frozen=True)
class Condition:
    """How a start is sampled; opposite_scale counts for opposite guidance only."""

    testbed: str
    before: str = ZERO
    opposite_scale: float = 0.0
    sampler: str = "euler"
    steps: int = 50
    cfg: float = 7.5


def noise_circle(shape: tuple[int, ...], seeds: range, points: int) -> Tensor:
    """Start noises on the circle through those of two seeds, all as probable as these: [points, *shape]."""
    first, second = start_noise(shape, seeds)
    angle = torch.linspace(0, 2 * torch.pi, points + 1)[:-1].view(-1, 1, 1, 1)
    return angle.cos() * first + angle.sin() * second


def equal_rows_once(apply_model: Any, args: dict) -> Tensor:
    """A model call without the rows that equal the row before: those whose transitions are still to come."""
    x, c = args["input"], args["c"]
    rows = torch.cat([x.flatten(1), c["c_crossattn"].flatten(1)], 1)
    new = torch.cat([torch.ones(1, dtype=torch.bool), (rows[1:] != rows[:-1]).any(1)])
    options = {**c["transformer_options"], "sigmas": c["transformer_options"]["sigmas"][:1]}
    few = {**c, "c_crossattn": c["c_crossattn"][new], "transformer_options": options}
    return apply_model(x[new], args["timestep"][new], **few)[new.cumsum(0) - 1]


class Recorder:
    """A post-CFG hook: copy i of every start is under CFG from step i on. Keeps what the last one sees."""

    def __init__(self, condition: Condition, starts: int, sigmas: Tensor):
        self.condition = condition
        self.transition = torch.arange(condition.steps + 1).repeat(starts)
        self.observes = Observations(sigmas.tolist())
        self.sigma: list[float] = []
        self.seen: dict[str, list[Tensor]] = {"x": [], "cond": [], "uncond": []}

    def __call__(self, args: dict) -> Tensor:
        cond, uncond, sigma = args["cond_denoised"], args["uncond_denoised"], args["sigma"][0].item()
        if self.observes(sigma):
            never = self.transition == self.condition.steps
            for name, tensor in zip(self.seen, (args["input"], cond, uncond), strict=True):
                self.seen[name].append(tensor[never])
            self.sigma.append(sigma)
        on = per_sample(self.transition < len(self.sigma), cond)
        before = BEFORE_TRANSITION[self.condition.before]
        return torch.where(on, args["denoised"], before(cond, uncond, self.condition.opposite_scale))


def sweep(condition: Condition, caption: str, noise: Tensor, seeds: list[int]) -> dict[str, Tensor]:
    """noise [starts, *shape], with seeds [starts] for the noise that stochastic samplers add.

    Returns samples [starts, steps + 1, *shape]: picture k is under CFG from step k on, the last one never; and of that
    one sigma [steps] and x, cond, uncond [steps, starts, *shape]: the noisy input and its two denoised predictions.
    """
    bed = testbed(condition.testbed)
    sigmas = schedule(bed.model, condition.sampler, condition.steps)
    copies = condition.steps + 1
    recorder = Recorder(condition, len(noise), sigmas)
    model = bed.model.clone()
    model.set_model_unet_function_wrapper(equal_rows_once)
    model.set_model_sampler_post_cfg_function(recorder, disable_cfg1_optimization=True)
    guider = comfy.samplers.CFGGuider(model)
    guider.set_conds(bed.encode(caption), bed.encode(""))
    guider.set_cfg(condition.cfg)
    x = noise.repeat_interleave(copies, 0)
    sampler = sampler_of(condition.sampler, lambda: noise_on_the_way(x, sigmas, seeds, copies))
    samples = guider.sample(x, torch.zeros_like(x), sampler, sigmas, disable_pbar=True, seed=0)
    seen = {name: torch.stack(tensors) for name, tensors in recorder.seen.items()}
    return {"samples": samples.unflatten(0, (-1, copies)), "sigma": torch.tensor(recorder.sigma), **seen}
