"""The learned variants of the testbed: they load, and are sampled as they say."""

import inspect
from itertools import pairwise

import comfy.sample
import comfy.samplers
import pytest
import torch
from basin_escape.testbed.denoiser import SCALE
from basin_escape.testbed.learned_loader import WEIGHTS, load_learned
from basin_escape.testbed.learned_variants import LEARNED
from comfy.ldm.modules.diffusionmodules.openaimodel import UNetModel
from safetensors.torch import load_file, save_file

from .conftest import Testbed


@pytest.fixture(scope="module", params=LEARNED)
def learned(request):
    return Testbed(request.param)


def test_the_memorized_images_are_those_of_the_variant():
    images = [Testbed(name).memorized for name in LEARNED]
    for shown, variant in zip(images, LEARNED.values(), strict=True):
        pictures = variant.memorized_pictures().movedim(1, -1)
        torch.testing.assert_close(shown[:, 4::8, 4::8], (pictures + 1) / 2)
    assert not torch.equal(*images)


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
