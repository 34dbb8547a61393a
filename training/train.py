"""`make train-testbed`: train a learned variant of the testbed.

The training set (training_set.py) is ordinary pictures, and sixteen memorized ones, each of which stands for many
copies. A caption is drawn first, then a picture from what the caption makes of the training set.

- Target "exact" (variant `learned`): not that picture, but the posterior mean over the training set. It is known for
  any noisy picture, so that a part of them is made from pictures that have nothing to do with the caption (`stray`):
  they teach when a caption must let go.
- Target "noise" (variant `learned noise`): that picture's own velocity, the ordinary diffusion loss (Salimans and Ho,
  arXiv 2202.00512, section 4, for the velocity). Nothing that the network is told is an answer worked out beforehand.

Every step draws from a generator of its own, so that an interrupted training goes on where it was.
"""

import argparse
import math
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import torch
from comfy.model_sampling import ModelSamplingDiscrete
from safetensors.torch import save_file
from torch import Tensor, nn
from tqdm import trange

from ..testbed.learned_variants import LEARNED
from ..testbed.network import CONFIG, Network
from ..testbed.prompt_encoder import PromptEncoder
from .progress import Progress
from .training_set import RECIPES, TARGETS, Recipe, TrainingSet

BATCH = 64
EMA = 0.998
LEARNING_RATE = 2e-3
WARM_UP = 100  # steps
# In the second half of a training an object's pixels count this much more than others, and half of the timesteps are
# those that decide its shape.
OBJECT_WEIGHT = 4.0
OBJECT_TIMESTEPS = (150, 550)
SAVE_EVERY = 200


class Layers:
    """What the UNet is built from for training: torch's own layers, with their initialization."""

    Linear, Conv2d, GroupNorm = nn.Linear, nn.Conv2d, nn.GroupNorm

    class LayerNorm(nn.LayerNorm):
        def forward(self, x):
            return super().forward(x.clone())  # the host adds to x in place afterwards

    @staticmethod
    def conv_nd(dims, *args, **kwargs):
        return nn.Conv2d(*args, **kwargs)


def new_model(seed: int) -> nn.ModuleDict:
    torch.manual_seed(seed)
    layers: Any = Layers
    network = Network(**CONFIG, operations=layers)
    for name, parameter in network.named_parameters():
        if any(part in name for part in ("proj_out.", "out_layers.3.", "out.2.")) and "to_out" not in name:
            nn.init.zeros_(parameter)
    return nn.ModuleDict({"network": network.to(memory_format=torch.channels_last), "encoder": PromptEncoder()})


def loss(model: nn.ModuleDict, data: TrainingSet, sampling, recipe: Recipe, step: int) -> Tensor:
    generator = torch.Generator().manual_seed(1_000_000 * recipe.seed + step)
    kinds = data.draw_kinds(BATCH, generator)
    ids = torch.tensor([data.token_ids(kind, generator) for kind in kinds.tolist()])
    stray = torch.rand(BATCH, generator=generator) < recipe.stray
    index = data.draw_pictures(kinds.where(~stray, 0), generator)
    picture, weight = data.pictures[index], torch.ones(())
    timestep = torch.randint(1000, (BATCH,), generator=generator)
    if step >= recipe.steps / 2:
        weight = 1 + OBJECT_WEIGHT * data.object[index]
        timestep[::2] = torch.randint(*OBJECT_TIMESTEPS, (BATCH // 2,), generator=generator)
    sigma = sampling.sigmas[timestep][:, None]
    x = picture + sigma * torch.randn(picture.shape, generator=generator)
    target = data.posterior_mean(x, sigma, kinds) if recipe.target == "exact" else picture
    noisy = (x / (1 + sigma**2).sqrt()).view(BATCH, 3, 16, 16)
    prediction = model["network"](noisy, timestep, model["encoder"](ids)).flatten(1)
    velocity = (x / (1 + sigma**2) - target) * (1 + sigma**2).sqrt() / sigma
    return (weight * (prediction - velocity).square()).mean()


def learning_rate(step: int, steps: int) -> float:
    """Down to zero as a cosine."""
    return LEARNING_RATE * min(1.0, (step + 1) / WARM_UP) * (1 + math.cos(math.pi * step / steps)) / 2


def train(recipe: Recipe, path: Path) -> None:
    """Train and write the moving average of the weights, float16, to `path`. Goes on where it was interrupted."""
    model, average = new_model(recipe.seed), new_model(recipe.seed).requires_grad_(False)
    optimizer = torch.optim.AdamW(model.parameters(), fused=True)
    progress = Progress(recipe, model, average, optimizer)
    data, sampling = TrainingSet(recipe), ModelSamplingDiscrete()
    done = progress.load()
    with trange(done, recipe.steps, initial=done, total=recipe.steps, unit="step") as steps:
        for step in steps:
            optimizer.param_groups[0]["lr"] = learning_rate(step, recipe.steps)
            value = loss(model, data, sampling, recipe, step)
            optimizer.zero_grad()
            value.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            decay = min(EMA, (1 + step) / (10 + step))
            for mean, parameter in zip(average.parameters(), model.parameters(), strict=True):
                mean.lerp_(parameter.detach(), 1 - decay)
            if (step + 1) % SAVE_EVERY == 0:
                steps.set_postfix(loss=f"{value.item():.3f}")
                progress.save(step + 1)
    save_file({name: value.half().contiguous() for name, value in average.state_dict().items()}, path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--variant", choices=RECIPES, default="learned", help="whose recipe to start from")
    parser.add_argument("--out", type=Path, help="where the weights go (default: into the pack)")
    for field in fields(Recipe):
        choices = TARGETS if field.name == "target" else None
        parser.add_argument(
            f"--{field.name}", type=type(field.default), choices=choices, help="other than in the variant's recipe"
        )
    arguments = vars(parser.parse_args())
    variant, path = arguments.pop("variant"), arguments.pop("out")
    changes = {name: value for name, value in arguments.items() if value is not None}
    train(replace(RECIPES[variant], **changes), path or LEARNED[variant].weights)
