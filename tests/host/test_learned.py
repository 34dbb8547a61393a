"""The learned variant of the testbed: it loads, it is sampled as it says, and it has memorized."""

import inspect
from itertools import pairwise

import comfy.sample
import comfy.samplers
import pytest
import torch
from basin_escape.testbed.learned_loader import WEIGHTS, load_learned
from basin_escape.testbed.network import Network
from learned import HELD_OUT, TUNING, Learned
from learned_judge import COPY_SIMILARITY, alignment, similarity
from safetensors.torch import load_file, save_file

from .conftest import SEED, Testbed

STEPS = 20


@pytest.fixture(scope="session")
def learned():
    return Testbed("learned")


def test_sampling_through_comfyui_is_the_written_out_loop(learned):
    samples = learned.stock("aurora red circle", steps=8, cfg=5.0)
    network, contexts = learned.model.model.diffusion_model, [learned.encode(p)[0][0] for p in ("aurora red circle", "")]
    assert isinstance(network, Network)
    sampling = learned.model.model.model_sampling
    sigmas = comfy.samplers.calculate_sigmas(sampling, "normal", 8)
    x = learned.noise() * (1 + sigmas[0] ** 2).sqrt()
    with torch.inference_mode():
        for sigma, following in pairwise(sigmas):
            timestep, noisy = sampling.timestep(sigma).float().repeat(2), x / (1 + sigma**2).sqrt()
            conditional, unconditional = (network(noisy, timestep, context.repeat(2, 1, 1)) for context in contexts)
            x = x + (following - sigma) * (unconditional + 5.0 * (conditional - unconditional))
    torch.testing.assert_close(samples, x, rtol=0, atol=1e-4)


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
    with pytest.raises(ValueError, match="latent_image has the size .*128x128"):
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
    with pytest.raises(ValueError, match=r"learned\.safetensors.*Install the pack anew"):
        load_learned(path)


class TestStatistics:
    """On the captions that no choice was made on: 8 memorized ones and 12 ordinary ones, 4 start noises each."""

    @pytest.fixture(scope="class")
    def runs(self):
        network = Learned()
        return {
            "zero": network.try_transitions(HELD_OUT.memorized[::2], seeds=4, steps=STEPS),
            "opposite": network.try_transitions(HELD_OUT.memorized[::2], seeds=4, steps=STEPS, opposite_scale=2.0),
        }
