"""Any method on any testbed: pictures, the judges' figures and the cost.

    evaluate(PLAIN, "closed form eps", captions, seeds=4).row()

The sampling is ComfyUI's own. What is finished is kept on disk (cache.py).
"""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass
from typing import Any

import comfy.samplers
import torch
from comfy.k_diffusion.sampling import BrownianTreeNoiseSampler
from safetensors.torch import load_file
from torch import Tensor

from . import cache
from .judged import Judged, judge
from .meter import Meter
from .methods import Method, Setup, stock
from .statistics import RESAMPLES
from .testbeds import testbed

VERSION = 1  # of what is sampled: another one throws away the results on disk


@dataclass(frozen=True)
class Sampling:
    """How pictures are sampled: ComfyUI's names of sampler and scheduler, and the guidance scale."""

    sampler: str = "euler"
    steps: int = 50
    cfg: float = 7.5
    scheduler: str = "normal"


@dataclass(frozen=True)
class Evaluation(Judged):
    """Judged pictures, and what a picture cost (meter.py): memory is that of the most expensive batch."""

    testbed: str
    method: str
    calls: float
    backward: float
    seconds: float
    memory: float

    def row(self, resamples: int = RESAMPLES) -> dict[str, Any]:
        """Of a table: figures of merit as (value, low, high), and the cost."""
        names: dict[str, Any] = {"testbed": self.testbed, "method": self.method, "pictures": self.copied.size}
        cost = {"model calls": self.calls, "backward passes": self.backward, "seconds": self.seconds}
        return names | self.merit(resamples) | self.spread(resamples) | cost | {"memory MB": self.memory / 1e6}


def evaluate(
    method: Method, name: str, captions: Sequence[str], seeds: int = 4, sampling: Sampling = Sampling()
) -> Evaluation:
    """Pictures of these captions of the testbed `name`, from so many start noises each, the same for every method."""
    bed = testbed(name)
    results = [finished(method, name, caption, bed.seeds(caption, seeds), sampling) for caption in captions]
    judged = judge(bed, captions, [result["samples"] for result in results])
    calls, backward, seconds, memory = torch.stack([result["spent"] for result in results]).unbind(1)
    each = [cost.sum().item() / judged.copied.size for cost in (calls, backward, seconds)]
    return Evaluation(
        judged.samples,
        judged.similarity,
        judged.copied,
        judged.alignment,
        name,
        method.name,
        *each,
        memory=memory.max().item(),
    )


def finished(method: Method, name: str, caption: str, seeds: range, sampling: Sampling) -> dict[str, Tensor]:
    """samples [seeds, *latent], and spent [4]: calls, backward, seconds and memory. From disk where it is there."""
    bed = testbed(name)
    what = ("evaluation", VERSION, method.name, method.settings, name, caption, seeds, astuple(sampling))
    path = cache.place(what, bed.files)
    if not path.exists():
        samples, _, spent = sample(method, bed, caption, start_noise(bed.latent_shape, seeds), seeds, sampling)
        costs = torch.tensor([spent.calls, spent.backward, spent.seconds, spent.memory], dtype=torch.float64)
        cache.keep(path, {"samples": samples, "spent": costs})
    return load_file(path)


def sample(
    method: Method, bed: Any, caption: str, noise: Tensor, seeds: Sequence[int], sampling: Sampling
) -> tuple[Tensor, Any, Meter]:
    """noise [starts, *latent] with seeds [starts] -> samples [starts, *latent], the method's trace, and the cost.

    A start has the same picture alone and among others, but for the order of sums.
    """
    sigmas = schedule(bed.model, sampling.sampler, sampling.steps, sampling.scheduler)
    with Meter(bed.model) as spent:
        prompts = bed.encode(caption), bed.encode("")
        known = {"clip": bed.clip, "caption": caption, "bed": bed}
        setup = Setup(bed.model, *prompts, noise, seeds, sigmas, sampling.cfg, stock, **known)
        setup = method.change(setup)
        sampler = sampler_of(sampling.sampler, lambda: noise_on_the_way(setup.noise, setup.sigmas, seeds))
        empty = torch.zeros_like(setup.noise)
        guider = setup.guider(setup)
        samples = guider.sample(setup.noise, empty, sampler, setup.sigmas, disable_pbar=True, seed=seeds[0])
    return samples, setup.trace, spent


def schedule(model: Any, sampler: str, steps: int, scheduler: str = "normal") -> Tensor:
    """The noise levels that KSampler would run through: [steps + 1]."""
    return comfy.samplers.KSampler(model, steps, torch.device("cpu"), sampler, scheduler, 1.0).sigmas


def start_noise(shape: tuple[int, ...], seeds: Sequence[int]) -> Tensor:
    """The start noises that KSampler makes of these seeds with batch size 1: [seeds, *shape]."""
    return torch.stack([torch.randn(shape, generator=torch.manual_seed(seed)) for seed in seeds])


def sampler_of(name: str, draws: Callable[[], Any]) -> Any:
    """ComfyUI's sampler; one that draws noise on the way takes it from `draws()`."""
    sampler = comfy.samplers.sampler_object(name)
    if "noise_sampler" in inspect.signature(sampler.sampler_function).parameters:
        sampler.extra_options = {**sampler.extra_options, "noise_sampler": draws()}
    return sampler


def noise_on_the_way(x: Tensor, sigmas: Tensor, seeds: Sequence[int], copies: int = 1) -> Any:
    """A stochastic sampler's own noise: of every seed by itself, and the same for all copies of a start."""
    low, high = sigmas[sigmas > 0].min(), sigmas.max()
    trees = [BrownianTreeNoiseSampler(x[:1], low, high, seed=seed, cpu=True) for seed in seeds]
    return lambda *levels: torch.cat([tree(*levels) for tree in trees]).repeat_interleave(copies, 0)
