"""`make measure-testbed`: the figures and the picture of a learned testbed's card.

That is testbed/learned.md, or with ARGS='--variant "learned noise"' testbed/learned_noise.md.

Euler, normal, STEPS steps; SEEDS start noises (seeds 0 and up) for each caption. A share p of n pictures has the
standard error sqrt(p (1 - p) / n).
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch import Tensor

from ..benchmarks.statistics import auc, diversity
from ..testbed.captions import MEMORIZED_PAIRS
from ..testbed.learned_judge import COPY_SIMILARITY, alignment, attributes, similarity
from ..testbed.learned_pictures import render
from ..testbed.learned_variants import LEARNED
from ..tools.pack import ROOT
from .transitions import HELD_OUT, TUNING, Half, Learned, Transitions

STEPS, SEEDS, CFGS = 25, 4, (5.0, 7.5)
PICTURES = ROOT / "web" / "docs"  # <variant>-guidance-norm.png


def share(hits: Tensor) -> str:
    p = hits.float().mean().item()
    return f"{p:.3f} +- {(p * (1 - p) / hits.numel()) ** 0.5:.3f} (n = {hits.numel()})"


def judge_the_judges(memorized: Sequence[Tensor], fresh: int = 2000) -> None:
    random = np.random.RandomState(99)
    pair = torch.tensor(np.stack([random.randint(6, size=fresh), random.randint(4, size=fresh)], 1))
    found = attributes(render(random, *pair.unbind(1)))
    print(f"attributes of fresh real pictures right: {share((found == pair).all(1))}")
    same = [
        similarity(render(random, *torch.tensor([pair] * fresh).unbind(1)), image)
        for pair, image in zip(MEMORIZED_PAIRS, memorized, strict=True)
    ]
    copies = torch.cat(same) > COPY_SIMILARITY
    print(f"fresh real pictures of the same attributes called a copy: {copies.sum()} of {len(copies)}")
    alike = [render(random, *torch.tensor([pair] * 100).unbind(1)) for pair in MEMORIZED_PAIRS]
    print(f"diversity of fresh real pictures of the same attributes: {sum(map(diversity, alike)) / len(alike):.2f}")


def quantiles(values: Tensor) -> str:
    """Minimum, quartiles and maximum."""
    return " / ".join(f"{value:.0f}" for value in torch.quantile(values, torch.linspace(0, 1, 5)).tolist())


def exits(run: Transitions) -> Tensor:
    """Timestep of every picture's oracle transition: the first one where plain CFG does not copy, 0 where all do."""
    return torch.cat([run.timesteps, torch.zeros(2)])[run.oracle]


def right(pictures: Tensor, captions: Sequence[str]) -> Tensor:
    """[n] alignment of each picture with its caption."""
    groups = pictures.unflatten(0, (len(captions), -1))
    return torch.cat([alignment(group, caption) for group, caption in zip(groups, captions, strict=True)])


def followed(pictures: Tensor, captions: Sequence[str]) -> str:
    values = right(pictures, captions)
    return f"alignment {values.mean():.3f}, colour and shape right {share(values == 1)}"


def after_oracle(run: Transitions, captions: Sequence[str]) -> float:
    step = run.oracle.clamp(max=len(run.pictures) - 1)
    return right(run.pictures[step, torch.arange(len(step))], captions).mean().item()


def report(network: Learned, half: Half, cfg: float) -> Transitions:
    """Print; what zero guidance came to."""
    zero = network.try_transitions(half.memorized, SEEDS, STEPS, cfg)
    opposite = network.try_transitions(half.memorized, SEEDS, STEPS, cfg, opposite_scale=2.0)
    ordinary = network.sample(half.ordinary, SEEDS, STEPS, cfg)
    print(f"\nguidance {cfg:g}")
    print(f"  no mitigation: copied {share(zero.copied[0])}")
    print(f"  no mitigation: {followed(zero.pictures[0], half.memorized)}")
    print(f"  zero guidance throughout: copied {share(zero.copied[-1])}")
    print(f"  ordinary: copied {share(ordinary.similarity > COPY_SIMILARITY)}")
    print(f"  ordinary: {followed(ordinary.pictures, half.ordinary)}")
    groups = ordinary.pictures.unflatten(0, (len(half.ordinary), -1))
    print(f"  ordinary: diversity across seeds {sum(map(diversity, groups)) / len(groups):.2f}")
    norms = zero.norms[0].numpy(), ordinary.first_norms.numpy()
    print(f"  first guidance norm: {norms[0].mean():.2f} and {norms[1].mean():.2f} on average, AUC {auc(*norms):.3f}")
    for name, run in {"zero guidance": zero, "opposite guidance 2": opposite}.items():
        print(f"  {name}: transition at t = {quantiles(exits(run))}, one single switch {share(run.single)}")
        print(f"  {name}: alignment from there {after_oracle(run, half.memorized):.3f}")
    return zero


def draw(run: Transitions, half: Half, path: Path) -> None:
    """The paper's Figure 2: the guidance norm without guidance, and where CFG first copies no longer."""
    figure = Figure(figsize=(9, 4.4), dpi=100, layout="constrained")
    axes = FigureCanvasAgg(figure).figure.subplots(1, 2, sharey=True)
    for index, caption in enumerate(half.memorized[:2]):
        for seed in range(4):
            place = index * SEEDS + seed
            (line,) = axes[index].plot(run.timesteps, run.norms[:, place], linewidth=1.2)
            step = int(run.oracle[place])
            if step < len(run.timesteps):
                axes[index].plot(run.timesteps[step], run.norms[step, place], "o", color=line.get_color())
        axes[index].set(title=caption, xlabel="timestep", xlim=(1000, 0))
    axes[0].set_ylim(bottom=0)
    axes[0].set_ylabel("guidance norm (zero guidance)")
    figure.savefig(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--variant", choices=LEARNED, default="learned")
    parser.add_argument("--weights", type=Path, help="others than the pack's; no picture is drawn")
    parser.add_argument("--tuning", action="store_true", help="the captions that choices were made on, not the others")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    network, half = Learned(arguments.variant, arguments.weights), TUNING if arguments.tuning else HELD_OUT
    judge_the_judges(list(network.memorized.values()))
    print(f"{len(half.memorized)} memorized and {len(half.ordinary)} ordinary captions, {SEEDS} seeds, {STEPS} steps")
    zero = [report(network, half, cfg) for cfg in CFGS]
    if half is HELD_OUT and arguments.weights is None:
        draw(zero[0], half, PICTURES / f"{arguments.variant.replace(' ', '-')}-guidance-norm.png")
