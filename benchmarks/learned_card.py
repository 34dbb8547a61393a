"""`make measure-testbed`: the figures and the picture of the learned testbed's card, testbed/learned.md.

Euler, normal, STEPS steps; SEEDS start noises (seeds 0 and up) for each caption. A share p of n pictures has the standard
error sqrt(p (1 - p) / n).
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from basin_escape.testbed.captions import MEMORIZED_PAIRS
from basin_escape.testbed.learned_pictures import render
from learned import HELD_OUT, MEMORIZED, TUNING, Half, Learned, Transitions
from learned_judge import COPY_SIMILARITY, alignment, attributes, similarity
from pack import ROOT
from torch import Tensor

STEPS, SEEDS = 30, 6
PICTURE = ROOT / "web" / "docs" / "learned-guidance-norm.png"


def share(hits: Tensor) -> str:
    p = hits.float().mean().item()
    return f"{p:.3f} +- {(p * (1 - p) / hits.numel()) ** 0.5:.3f} (n = {hits.numel()})"


def judge_the_judges(fresh: int = 2000) -> None:
    random = np.random.RandomState(99)
    pair = torch.tensor(np.stack([random.randint(6, size=fresh), random.randint(4, size=fresh)], 1))
    found = attributes(render(random, *pair.unbind(1)))
    print(f"attributes of fresh real pictures right: {share((found == pair).all(1))}")
    same = [
        similarity(render(random, *torch.tensor([pair] * fresh).unbind(1)), image)
        for pair, image in zip(MEMORIZED_PAIRS, MEMORIZED.values(), strict=True)
    ]
    print(f"fresh real pictures of the same attributes called a copy: {share(torch.cat(same) > COPY_SIMILARITY)}")


def auc(memorized: Tensor, ordinary: Tensor) -> float:
    """Chance that a memorized caption's value is the greater one."""
    return (memorized[:, None] > ordinary).float().mean().item()


def quartiles(values: Tensor) -> str:
    low, median, high = torch.quantile(values, torch.tensor([0.25, 0.5, 0.75])).tolist()
    return f"{low:.0f} / {median:.0f} / {high:.0f}"


def exits(run: Transitions) -> Tensor:
    """Timestep of the oracle transition of every picture; 1000 where plain CFG does not copy."""
    times = torch.cat([run.timesteps, torch.zeros(2)])[run.oracle]
    return times


def right(pictures: Tensor, captions) -> Tensor:
    groups = pictures.unflatten(0, (len(captions), -1))
    return torch.cat([alignment(group, caption) for group, caption in zip(groups, captions, strict=True)])


def after_oracle(run: Transitions, captions, later: int = 0) -> Tensor:
    step = (run.oracle + later).clamp(max=len(run.pictures) - 1)
    return right(run.pictures[step, torch.arange(len(step))], captions)


def diversity(pictures: Tensor, captions) -> float:
    """Mean similarity of two pictures of one caption."""
    values = []
    for group in pictures.unflatten(0, (len(captions), -1)):
        values += [similarity(group[i + 1 :], group[i]) for i in range(len(group) - 1)]
    return torch.cat(values).mean().item()


def report(network: Learned, half: Half, cfgs=(5.0, 7.5), opposite=True) -> None:
    for cfg in cfgs:
        zero = network.try_transitions(half.memorized, SEEDS, STEPS, cfg)
        ordinary = network.sample(half.ordinary, SEEDS, STEPS, cfg)
        print(f"guidance {cfg}")
        print(
            f"  no mitigation: copied {share(zero.copied[0])}, attributes right {share(right(zero.pictures[0], half.memorized) == 1)}"
        )
        print(f"  zero guidance throughout: copied {share(zero.copied[-1])}")
        print(
            f"  ordinary: copied {share(ordinary.similarity > COPY_SIMILARITY)}, attributes right "
            f"{share(right(ordinary.pictures, half.ordinary) == 1)} "
            f"(alignment {right(ordinary.pictures, half.ordinary).mean():.3f}), "
            f"similarity between seeds {diversity(ordinary.pictures, half.ordinary):.2f}"
        )
        print(
            f"  first step: AUC {auc(zero.norms[0], ordinary.first_norms):.3f}, means {zero.norms[0].mean():.2f}, {ordinary.first_norms.mean():.2f}"
        )
        runs = {"zero": zero}
        if opposite:
            runs["opposite 2"] = network.try_transitions(half.memorized, SEEDS, STEPS, cfg, 2.0)
        for name, run in runs.items():
            print(
                f"  {name}: oracle t {quartiles(exits(run))}, min {exits(run).min():.0f} max {exits(run).max():.0f}, one single switch {share(run.single)}, "
                f"alignment there {after_oracle(run, half.memorized).mean():.3f}, two steps later {after_oracle(run, half.memorized, 2).mean():.3f}",
                flush=True,
            )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--tuning", action="store_true")
    parser.add_argument("--quick", action="store_true")
    a = parser.parse_args()
    torch.set_num_threads(1)
    network = Learned(a.weights) if a.weights else Learned()
    report(network, TUNING if a.tuning else HELD_OUT, (5.0,) if a.quick else (5.0, 7.5), not a.quick)
    if not a.tuning:
        judge_the_judges()


if __name__ == "__main__":
    main()
