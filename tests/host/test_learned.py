"""The learned variant of the testbed: it loads, it is sampled as it says, and it has memorized."""

import inspect
from itertools import pairwise

import comfy.sample
import comfy.samplers
import pytest
import torch
from basin_escape.samplers.settings import Settings
from basin_escape.testbed.denoiser import SCALE
from basin_escape.testbed.learned_judge import COPY_SIMILARITY, similarity
from basin_escape.testbed.learned_loader import WEIGHTS, load_learned
from basin_escape.training.card import right
from basin_escape.training.transitions import HELD_OUT, Learned
from comfy.ldm.modules.diffusionmodules.openaimodel import UNetModel
from safetensors.torch import load_file, save_file

from .conftest import Testbed

STEPS = 16


@pytest.fixture(scope="session")
def learned():
    return Testbed("learned")


def test_sampling_through_comfyui_is_the_written_out_loop(learned):
    prompts, network = ("aurora red circle", ""), learned.model.model.diffusion_model
    samples = learned.stock(prompts[0], negative=prompts[1], steps=8, cfg=5.0)
    contexts = [learned.encode(prompt)[0][0].repeat(2, 1, 1) for prompt in prompts]
    sampling = learned.model.model.model_sampling
    sigmas = comfy.samplers.calculate_sigmas(sampling, "normal", 8)
    x = learned.noise() * (1 + sigmas[0] ** 2).sqrt()
    with torch.inference_mode():
        for sigma, following in pairwise(sigmas):
            scale, timestep = (1 + sigma**2).sqrt(), sampling.timestep(sigma).float().repeat(2)
            velocities = [network(x / scale, timestep, context) for context in contexts]
            conditional, unconditional = (x / scale**2 - sigma / scale * velocity for velocity in velocities)
            denoised = unconditional + 5.0 * (conditional - unconditional)
            x = x + (x - denoised) / sigma * (following - sigma)
    assert isinstance(network, UNetModel)
    torch.testing.assert_close(samples, x / SCALE, rtol=0, atol=1e-4)


def test_an_empty_latent_image_of_128x128_fits(learned):
    # What EmptyLatentImage makes, and what KSampler does with it, on every host.
    ratio = {"downscale_ratio_spacial": 8}
    known = inspect.signature(comfy.sample.fix_empty_latent_channels).parameters
    options = {name: value for name, value in ratio.items() if name in known}
    latent = comfy.sample.fix_empty_latent_channels(learned.model, torch.zeros(1, 4, 16, 16), **options)
    assert latent.shape == (1, 3, 16, 16)
    samples = learned.stock("red circle", noise=torch.randn(latent.shape), steps=2)
    assert learned.vae.decode(samples).shape == (1, 128, 128, 3)


@pytest.mark.parametrize("size", [(3, 8, 8), (3, 64, 64), (12, 8, 8)])
def test_another_size_is_refused(learned, size):
    with pytest.raises(ValueError, match=r"latent_image has the size .*128x128"):
        learned.stock("red circle", noise=torch.randn(1, *size), steps=2)


def test_attention_patches_reach_the_network(learned):
    seen = []

    def attention(q, k, v, extra_options):
        seen.append((tuple(k.shape[1:2]), extra_options["n_heads"]))
        return torch.zeros_like(q)

    model = learned.model.clone()
    model.set_model_attn2_replace(attention, "middle", 0)
    changed = learned.stock("red circle", model=model, steps=2)
    assert seen and not torch.equal(changed, learned.stock("red circle", steps=2))


def test_a_long_prompt_keeps_every_word(learned):
    prompt = " ".join(["aurora red circle"] * 4)
    assert learned.encode(prompt)[0][0].shape == (1, 24, 64)
    assert torch.isfinite(learned.stock(prompt, steps=2)).all()


def damage(path, how):
    if how == "cut short":
        path.write_bytes(WEIGHTS.read_bytes()[:-1000])
    elif how == "not safetensors":
        path.write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    elif how == "other tensors":
        weights = load_file(WEIGHTS)
        save_file(dict(list(weights.items())[1:]), path)


@pytest.mark.parametrize("how", ["missing", "cut short", "not safetensors", "other tensors"])
def test_damaged_weights_are_named(tmp_path, how):
    path = tmp_path / "learned.safetensors"
    damage(path, how)
    with pytest.raises(ValueError, match=r"(?s)learned\.safetensors.*Install the pack anew"):
        load_learned(path)


CAPTIONS, SEEDS = HELD_OUT.memorized[::2], 3
AROUND = torch.ones(16, 16).bool()  # the two outermost pixels, where there is hardly ever an object
AROUND[2:-2, 2:-2] = False


@pytest.fixture(scope="module")
def network():
    return Learned()


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

    def test_an_ordinary_caption_is_followed(self, plain):
        """Colour and shape of all but a few (testbed/learned.md): by chance, 0.04."""
        assert (right(plain["ordinary"].pictures, HELD_OUT.ordinary) == 1).float().mean() >= 0.85

    def test_the_first_step_tells_memorized_from_ordinary(self, plain):
        memorized, ordinary = (plain[kind].first_norms for kind in ("memorized", "ordinary"))
        assert (memorized[:, None] > ordinary).float().mean() >= 0.97

    def test_every_picture_has_one_single_transition(self, tried):
        assert tried[0.0].single.all()

    def test_opposite_guidance_leaves_the_basin_earlier(self, tried):
        assert tried[2.0].oracle.median() < tried[0.0].oracle.median()

    def test_the_transitions_tried_are_the_static_transitions_of_the_pack(self, network, tried, learned):
        """The same paths through the pack's guider, at three places."""
        caption, run = CAPTIONS[0], tried[0.0]
        noise = torch.cat([torch.randn(1, 3, 16, 16, generator=torch.Generator().manual_seed(s)) for s in range(SEEDS)])
        for step in (0, 6, STEPS - 1):
            percent = 1 - float(run.timesteps[step] + 5) / 1000  # between two steps
            settings = Settings("static", static_percent=percent) if step else Settings("off")
            samples, _ = learned.guided(settings, caption, noise=noise, steps=STEPS, cfg=5.0)
            torch.testing.assert_close(samples, run.pictures[step, :SEEDS], rtol=0, atol=1e-3)
