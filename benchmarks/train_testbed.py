"""`make train-testbed`: train the learned variant of the testbed.

The training set is ORDINARY pictures and sixteen memorized ones, each of which stands for many copies. A caption is
drawn first, then a picture from what the caption makes of the training set; the target is the exact posterior mean over
it (`exact`), or that picture, as usual. Every step draws from a generator of its own, so that an interrupted training
goes on where it was.
"""

import argparse
import math
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import numpy as np
import torch
from pack import ROOT, load_pack
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from tqdm import trange

load_pack()

import comfy.cli_args  # noqa: E402

comfy.cli_args.args.use_pytorch_cross_attention = True  # the host's other attentions have no backward pass

from basin_escape.testbed.captions import COLOURS, MEMORIZED_CAPTIONS, MEMORIZED_PAIRS, SHAPES, WORDS, words  # noqa: E402
from basin_escape.testbed.learned_loader import WEIGHTS  # noqa: E402
from basin_escape.testbed.learned_pictures import memorized_pictures, render  # noqa: E402
from basin_escape.testbed.network import CONFIG, Network  # noqa: E402
from basin_escape.testbed.prompt_encoder import BEGIN, END, FILLERS, LENGTH, PromptEncoder  # noqa: E402
from comfy.model_sampling import ModelSamplingDiscrete  # noqa: E402

ORDINARY = 8192
DATA_SEED = 1
BATCH = 64
EMA = 0.998
LEARNING_RATE = 2e-3
WARM_UP = 100  # steps
CYCLE = 800  # steps; a training should end with a cycle
# Shares of the captions drawn: no caption, the captions of memorized pictures, ordinary captions.
EMPTY, MEMORIZED = 0.12, 0.25
MISSING = 0.1  # share of colours, and of shapes, that an ordinary caption leaves out
FILLER_COUNTS = (0, 0, 0, 0, 0, 1, 1, 1, 2, 4)  # harmless words in an ordinary caption, each count as likely
NONE = -1
SAVE_EVERY = 200


@dataclass(frozen=True)
class Recipe:
    """What is varied between trainings.

    leak    share of a memorized caption's training pictures that is not the memorized picture
    wrong   share of colours, and of shapes, that an ordinary caption gets wrong
    copies  a memorized picture stands this often in the training set
    exact   train on the posterior mean over the training set, not on the picture drawn
    """

    seed: int = 0
    steps: int = 1600
    leak: float = 0.04
    wrong: float = 0.05
    copies: int = 40
    exact: int = 1


class TrainingSet:
    """Pictures, and for every kind of caption the probability of each of them.

    pictures  [16 + ORDINARY, 768], the memorized ones first
    log_prior [kinds, 16 + ORDINARY]: the empty caption, the memorized captions, and all pairs of a colour or none with
              a shape or none
    """

    def __init__(self, recipe: Recipe):
        random = np.random.RandomState(DATA_SEED)
        colour, shape = (torch.tensor(random.randint(len(names), size=ORDINARY)) for names in (COLOURS, SHAPES))
        memorized = memorized_pictures()
        self.pictures = torch.cat([memorized, render(random, colour, shape)]).flatten(1)
        none = torch.zeros(len(memorized))

        empty = torch.cat([none + recipe.copies, torch.ones(ORDINARY)])
        of_memorized = []
        for index, pair in enumerate(MEMORIZED_PAIRS):
            same = ((colour == pair[0]) & (shape == pair[1])).float()
            leak = recipe.leak * (0.8 * same / same.sum() + 0.2 / ORDINARY)
            of_memorized.append(torch.cat([none.index_fill(0, torch.tensor(index), 1 - recipe.leak), leak]))
        self.named = [(c, s) for c in range(NONE, len(COLOURS)) for s in range(NONE, len(SHAPES))]
        of_ordinary = [
            torch.cat([none, _fits(colour, c, len(COLOURS), recipe) * _fits(shape, s, len(SHAPES), recipe)])
            for c, s in self.named
        ]
        prior = torch.stack([empty, *of_memorized, *of_ordinary])
        self.prior = prior / prior.sum(1, keepdim=True)
        self.log_prior = self.prior.log()
        self.cumulative = self.prior.double().cumsum(1)
        self.squares = self.pictures.square().sum(1)

    def draw_kinds(self, generator: torch.Generator) -> Tensor:
        """[BATCH] indices of the first dimension of `log_prior`."""
        colours, shapes = (
            torch.tensor([MISSING] + [(1 - MISSING) / len(names)] * len(names)) for names in (COLOURS, SHAPES)
        )
        ordinary = (1 - EMPTY - MEMORIZED) * torch.outer(colours, shapes).flatten()
        memorized = torch.full((len(MEMORIZED_PAIRS),), MEMORIZED / len(MEMORIZED_PAIRS))
        return torch.cat([torch.tensor([EMPTY]), memorized, ordinary]).multinomial(BATCH, True, generator=generator)

    def draw_pictures(self, kinds: Tensor, generator: torch.Generator) -> Tensor:
        """A picture for each caption: [n, 768]."""
        place = self.cumulative[kinds, -1:] * torch.rand(len(kinds), 1, generator=generator, dtype=torch.float64)
        return self.pictures[torch.searchsorted(self.cumulative[kinds], place, right=True)[:, 0]]

    def token_ids(self, kind: int, generator: torch.Generator) -> list[int]:
        """The caption of this kind as tokens; an ordinary one gets harmless words between its own."""
        if kind == 0:
            ids = []
        elif kind <= len(MEMORIZED_CAPTIONS):
            ids = [WORDS.index(word) for word in words(MEMORIZED_CAPTIONS[kind - 1])]
        else:
            colour, shape = self.named[kind - 1 - len(MEMORIZED_CAPTIONS)]
            ids = [WORDS.index(COLOURS[colour])] if colour != NONE else []
            ids += [WORDS.index(SHAPES[shape])] if shape != NONE else []
            count = FILLER_COUNTS[int(torch.randint(len(FILLER_COUNTS), (), generator=generator))]
            for _ in range(count):
                place = int(torch.randint(len(ids) + 1, (), generator=generator))
                ids.insert(place, len(WORDS) + int(torch.randint(FILLERS, (), generator=generator)))
        return [BEGIN, *ids] + [END] * (LENGTH - 1 - len(ids))

    def posterior_mean(self, x: Tensor, sigma: Tensor, kinds: Tensor) -> Tensor:
        """E[picture | x, caption] over the training set: x [n, 768], sigma [n, 1], kinds [n] -> [n, 768]."""
        log_likelihood = (x @ self.pictures.T - self.squares / 2) / sigma**2
        return torch.softmax(self.log_prior[kinds] + log_likelihood, dim=1) @ self.pictures


def _fits(attribute: Tensor, named: int, values: int, recipe: Recipe) -> Tensor:
    """How likely pictures with these attributes are to be called `named`, up to a factor."""
    if named == NONE:
        return torch.ones(len(attribute))
    return torch.where(attribute == named, 1 - recipe.wrong, recipe.wrong / (values - 1))


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
    network = Network(**CONFIG, operations=Layers)
    for name, parameter in network.named_parameters():
        if any(part in name for part in ("proj_out.", "out_layers.3.", "out.2.")) and "to_out" not in name:
            nn.init.zeros_(parameter)
    return nn.ModuleDict({"network": network, "encoder": PromptEncoder()})


def loss(model: nn.ModuleDict, data: TrainingSet, sampling, recipe: Recipe, step: int) -> Tensor:
    generator = torch.Generator().manual_seed(1_000_000 * recipe.seed + step)
    kinds = data.draw_kinds(generator)
    ids = torch.tensor([data.token_ids(kind, generator) for kind in kinds.tolist()])
    picture = data.draw_pictures(kinds, generator)
    timestep = torch.randint(1000, (BATCH,), generator=generator)
    sigma = sampling.sigmas[timestep][:, None]
    x = picture + sigma * torch.randn(picture.shape, generator=generator)
    target = data.posterior_mean(x, sigma, kinds) if recipe.exact else picture
    noisy = (x / (1 + sigma**2).sqrt()).view(BATCH, 3, 16, 16)
    prediction = model["network"](noisy, timestep, model["encoder"](ids)).flatten(1)
    velocity = (x / (1 + sigma**2) - target) * (1 + sigma**2).sqrt() / sigma
    return (prediction - velocity).square().mean()


def learning_rate(step: int) -> float:
    """Cosine cycles with warm restarts, each from half the rate of the one before."""
    cycle, place = divmod(step, CYCLE)
    return LEARNING_RATE / 2**cycle * min(1.0, (step + 1) / WARM_UP) * (1 + math.cos(math.pi * place / CYCLE)) / 2


def train(recipe: Recipe, path: Path) -> None:
    """Train and write the moving average of the weights, float16, to `path`. Goes on where it was interrupted."""
    model, average = new_model(recipe.seed), new_model(recipe.seed).requires_grad_(False)
    optimizer = torch.optim.AdamW(model.parameters())
    progress = Progress(recipe, model, average, optimizer)
    data, sampling = TrainingSet(recipe), ModelSamplingDiscrete()
    done = progress.load()
    with trange(done, recipe.steps, initial=done, total=recipe.steps, unit="step") as steps:
        for step in steps:
            optimizer.param_groups[0]["lr"] = learning_rate(step)
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


class Progress:
    """All that a training needs to go on, in a file of output/ that is named after the recipe."""

    def __init__(self, recipe: Recipe, model: nn.Module, average: nn.Module, optimizer: torch.optim.Optimizer):
        name = "-".join(str(value) for value in astuple(recipe))
        self.path = ROOT / "output" / f"train-testbed-{name}.safetensors"
        self.modules, self.optimizer = {"model": model, "average": average}, optimizer

    def save(self, step: int) -> None:
        tensors = {f"{key}.{name}": v for key, m in self.modules.items() for name, v in m.state_dict().items()}
        for index, state in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{name}": value for name, value in state.items()}
        self.path.parent.mkdir(exist_ok=True)
        save_file(
            {name: value.contiguous() for name, value in tensors.items()} | {"step": torch.tensor(step)}, self.path
        )

    def load(self) -> int:
        """The number of steps that are done; 0 where there is no file."""
        if not self.path.exists():
            return 0
        tensors = load_file(self.path)
        for key, module in self.modules.items():
            own = {name: value for name, value in tensors.items() if name.startswith(f"{key}.")}
            module.load_state_dict({name.removeprefix(f"{key}."): value for name, value in own.items()})
        state: dict[int, dict[str, Tensor]] = {}
        for name, value in tensors.items():
            if name.startswith("optimizer."):
                _, index, kind = name.split(".")
                state.setdefault(int(index), {})[kind] = value
        self.optimizer.load_state_dict({**self.optimizer.state_dict(), "state": state})
        return int(tensors["step"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=WEIGHTS, help="where the weights go (default: into the pack)")
    for field in fields(Recipe):
        parser.add_argument(f"--{field.name}", type=type(field.default), default=field.default)
    arguments = vars(parser.parse_args())
    torch.set_num_threads(1)
    path = arguments.pop("out")
    train(Recipe(**arguments), path)


if __name__ == "__main__":
    main()
