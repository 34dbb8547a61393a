"""A start of two pictures' frequencies, on ComfyUI's sampling library."""

import logging

import comfy.sample
import comfy.samplers
import pytest
import torch
from basin_escape.benchmarks.measure import NODES

from .conftest import MEMORIZED, SEED, Testbed, run_guider
from .test_initial_noise import DisableNoise, RandomNoise

SIZE = (3, 16, 16)


def picture(batch=1, seed=3):
    return torch.randn(batch, *SIZE, generator=torch.manual_seed(seed))


def mixed(testbed, reference=None, cutoff=0.4, noise=None, model=None):
    latent = {"samples": picture() if reference is None else reference}
    node = NODES["MixStartNoise"]()
    return node.mix(model or testbed.model, noise or RandomNoise(), latent, cutoff)[0]


def written_out(noise, reference, cutoff):
    """By the whole transform, channel by channel."""
    rows, columns = noise.shape[-2:]
    vertical, horizontal = torch.fft.fftfreq(rows) * 2, torch.fft.fftfreq(columns) * 2
    low = torch.hypot(vertical[:, None], horizontal[None]) < cutoff
    parts = [torch.fft.fft2(x) * mask for x, mask in ((noise, ~low), (reference, low))]
    return torch.fft.ifft2(parts[0] + parts[1]).real


@pytest.mark.parametrize("variant", ["eps", "v", "flow", "learned"])
@pytest.mark.parametrize("pictures", [1, 2])
def test_it_is_the_formula_in_the_models_scale(variant, pictures):
    bed, reference = Testbed(variant), picture(pictures)
    start = RandomNoise().generate_noise(bed.latent())
    scaled = bed.model.model.process_latent_in(reference)
    expected = torch.stack([written_out(n, scaled[k % pictures], 0.4) for k, n in enumerate(start)])
    torch.testing.assert_close(mixed(bed, reference).generate_noise(bed.latent()), expected, rtol=1e-4, atol=1e-4)


def test_it_is_where_a_run_begins():
    """The host makes of it what it makes of any noise."""
    bed, seen = Testbed("eps"), []
    noise = mixed(bed).generate_noise(bed.latent())
    model = bed.model.clone()
    model.set_model_sampler_post_cfg_function(lambda args: seen.append(args["input"]) or args["denoised"])
    guider = comfy.samplers.CFGGuider(model)
    guider.set_conds(bed.encode(MEMORIZED), bed.encode(""))
    run_guider(guider, noise, 2)
    sigma = comfy.samplers.KSampler(bed.model, 2, "cpu", "euler", "normal").sigmas[0]
    torch.testing.assert_close(seen[0], noise * (1 + sigma**2).sqrt(), rtol=1e-3, atol=1e-3)


def test_off_is_the_noise_itself_and_no_model_is_called(testbed):
    counted, calls = testbed.counted()
    off = mixed(testbed, cutoff=0.0, model=counted).generate_noise(testbed.latent())
    assert torch.equal(off, RandomNoise().generate_noise(testbed.latent()))
    on = mixed(testbed, model=counted)
    first = on.generate_noise(testbed.latent())
    assert calls() == 0 and on.seed == SEED and torch.equal(on.generate_noise(testbed.latent()), first)


def test_a_batch_by_index_is_those_samples_of_the_batch(testbed):
    noise, latent = mixed(testbed), testbed.latent(4)
    together = noise.generate_noise({**latent, "batch_index": [0, 1, 2, 3]})
    for index in (3, 1):
        single = noise.generate_noise({**testbed.latent(1), "batch_index": [index]})
        torch.testing.assert_close(single[0], together[index])


def test_no_noise_stays_none(testbed):
    assert not mixed(testbed, noise=DisableNoise()).generate_noise(testbed.latent()).any()


def test_a_latent_that_is_not_empty_is_warned_of(testbed, caplog):
    with caplog.at_level(logging.WARNING):
        mixed(testbed).generate_noise({"samples": torch.ones(1, *SIZE)})
    assert "not empty" in caplog.text


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        (torch.zeros(1, *SIZE), "reference is an empty latent"),
        (torch.ones(1, 3, 8, 16), "reference has the size 3x8x16 and the noise 3x16x16"),
        (torch.ones(1, 4, 16, 16), "reference has the size 4x16x16"),
        (torch.ones(3, *SIZE), "reference holds 3 pictures and the batch 2"),
        ([torch.ones(1), torch.ones(1)], "reference holds several latents in one"),
    ],
)
def test_a_reference_that_does_not_fit_is_refused(testbed, reference, message):
    with pytest.raises(ValueError, match=message):
        mixed(testbed, reference).generate_noise(testbed.latent(2))


def test_what_else_is_wrong_is_said(testbed):
    class Nested:
        seed = 0

        def generate_noise(self, latent):
            return [torch.zeros(1), torch.zeros(1)]

    with pytest.raises(ValueError, match="cutoff is nan"):
        mixed(testbed, cutoff=float("nan"))
    with pytest.raises(ValueError, match="latent_image holds several latents in one"):
        mixed(testbed, noise=Nested()).generate_noise(testbed.latent(1))
