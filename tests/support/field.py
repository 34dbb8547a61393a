"""What the tests of the table's rows have in common: a network, a caption, few steps."""

import torch
from basin_escape.benchmarks import testbeds
from basin_escape.benchmarks.harness import Sampling, sample, start_noise

FEW, BED = Sampling(steps=3), testbeds.testbed("learned")
CAPTION = BED.tuning.memorized[0]


def assert_a_start_is_the_same_alone_and_among_others(method):
    seeds = range(5, 8)
    together = sample(method, BED, CAPTION, start_noise(BED.latent_shape, seeds), seeds, FEW)[0]
    alone = sample(method, BED, CAPTION, start_noise(BED.latent_shape, seeds[1:2]), seeds[1:2], FEW)[0]
    torch.testing.assert_close(together[1:2], alone, rtol=0, atol=1e-3)
