"""The learned variants have memorized: what their cards say (testbed/learned.md, testbed/learned_noise.md) holds."""

import pytest
import torch
from basin_escape.samplers.settings import Settings
from basin_escape.testbed.learned_judge import COPY_SIMILARITY, similarity
from basin_escape.testbed.learned_variants import LEARNED
from basin_escape.training.card import right
from basin_escape.training.transitions import HELD_OUT, Learned

from .conftest import Testbed

STEPS = 16
FOLLOWED = {"learned": 0.85, "learned noise": 0.94}  # measured: 0.94 and 1.00
CAPTIONS, SEEDS = HELD_OUT.memorized[::2], 3
AROUND = torch.ones(16, 16).bool()  # the two outermost pixels, where there is hardly ever an object
AROUND[2:-2, 2:-2] = False


@pytest.fixture(scope="module", params=LEARNED)
def variant(request):
    return request.param


@pytest.fixture(scope="module")
def network(variant):
    return Learned(variant)


@pytest.fixture(scope="module")
def plain(network):
    return {kind: network.sample(getattr(HELD_OUT, kind), SEEDS, STEPS) for kind in ("memorized", "ordinary")}


@pytest.fixture(scope="module")
def tried(network):
    """Every transition, with zero and with opposite guidance before it."""
    return {scale: network.try_transitions(CAPTIONS, SEEDS, STEPS, opposite_scale=scale) for scale in (0.0, 2.0)}


class TestStatistics:
    """On the captions that no choice was made on: 8 memorized and 12 ordinary ones, 3 start noises each, guidance 5.

    A share of 24 or 36 pictures has a standard error of up to 0.10 or 0.08, and of 0.03 where it is 0.97.
    """

    def test_a_memorized_caption_copies(self, plain):
        assert (plain["memorized"].similarity > COPY_SIMILARITY).float().mean() >= 0.97

    def test_an_ordinary_caption_copies_nothing_and_its_seeds_differ(self, plain):
        assert (plain["ordinary"].similarity > COPY_SIMILARITY).float().mean() <= 0.01
        # Two large squares of one colour are alike: what tells the pictures apart is the background.
        backgrounds = plain["ordinary"].pictures[..., AROUND].unflatten(0, (-1, SEEDS))
        assert all(similarity(group[1:], group[0]).max() < COPY_SIMILARITY for group in backgrounds)
        copies = plain["memorized"].pictures[..., AROUND].unflatten(0, (-1, SEEDS))
        assert all(similarity(group[1:], group[0]).min() > COPY_SIMILARITY for group in copies)

    def test_an_ordinary_caption_is_followed(self, plain, variant):
        """Colour and shape of all but a few: by chance, 0.04."""
        assert (right(plain["ordinary"].pictures, HELD_OUT.ordinary) == 1).float().mean() >= FOLLOWED[variant]

    def test_the_first_step_tells_memorized_from_ordinary(self, plain):
        memorized, ordinary = (plain[kind].first_norms for kind in ("memorized", "ordinary"))
        assert (memorized[:, None] > ordinary).float().mean() >= 0.97

    def test_every_picture_has_one_single_transition(self, tried):
        assert tried[0.0].single.all()

    def test_opposite_guidance_leaves_the_basin_earlier(self, tried):
        assert tried[2.0].oracle.median() < tried[0.0].oracle.median()

    def test_the_transitions_tried_are_the_static_transitions_of_the_pack(self, variant, tried):
        """The same paths through the pack's guider, at three places."""
        caption, run, testbed = CAPTIONS[0], tried[0.0], Testbed(variant)
        noise = torch.cat([torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(s)) for s in range(SEEDS)])
        for step in (0, 6, STEPS - 1):
            percent = 1 - float(run.timesteps[step] + 5) / 1000  # between two steps
            settings = Settings("static", static_percent=percent) if step else Settings("off")
            samples, _ = testbed.guided(settings, caption, noise=noise, steps=STEPS, cfg=5.0)
            torch.testing.assert_close(samples, run.pictures[step, :SEEDS], rtol=0, atol=1e-3)
