"""`make compare-trainings ARGS="a.safetensors b.safetensors"`: several trainings of a learned testbed, a row each.

What to keep is chosen on the tuning half: of the weights whose basin is as wanted, those that follow ordinary captions
best. Sampled as for the card (card.py), guidance CFG, with twice as many start noises for an ordinary caption.
"""

import argparse
from pathlib import Path

import torch

from ..benchmarks.statistics import auc
from ..testbed.learned_judge import COPY_SIMILARITY
from ..testbed.learned_variants import LEARNED
from .card import CFGS, SEEDS, STEPS, after_oracle, exits, followed, quantiles, share
from .transitions import HELD_OUT, TUNING, Half, Learned

CFG = CFGS[0]


def row(weights: Path, variant: str, half: Half) -> dict[str, str]:
    network = Learned(variant, weights)
    zero = network.try_transitions(half.memorized, SEEDS, STEPS, CFG)
    opposite = network.try_transitions(half.memorized, SEEDS, STEPS, CFG, opposite_scale=2.0)
    ordinary = network.sample(half.ordinary, 2 * SEEDS, STEPS, CFG)
    return {
        "weights": weights.stem,
        "copied": f"{zero.copied[0].float().mean():.3f}",
        "ordinary copied": f"{(ordinary.similarity > COPY_SIMILARITY).float().mean():.3f}",
        "ordinary followed": followed(ordinary.pictures, half.ordinary),
        "first norm AUC": f"{auc(zero.norms[0].numpy(), ordinary.first_norms.numpy()):.3f}",
        "transition, zero guidance": quantiles(exits(zero)),
        "opposite guidance 2": quantiles(exits(opposite)),
        "one single switch": share(torch.cat([zero.single, opposite.single])),
        "alignment from there": f"{after_oracle(zero, half.memorized):.3f}",
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weights", type=Path, nargs="+")
    parser.add_argument("--variant", choices=LEARNED, default="learned", help="whose memorized pictures to look for")
    parser.add_argument("--held-out", action="store_true", help="the captions that no choice is made on")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for index, weights in enumerate(arguments.weights):
        values = row(weights, arguments.variant, HELD_OUT if arguments.held_out else TUNING)
        if index == 0:
            print(f"| {' | '.join(values)} |\n|{'---|' * len(values)}")
        print(f"| {' | '.join(values.values())} |", flush=True)
