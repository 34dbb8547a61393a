"""The initial noise adjusted batch-wise, on ComfyUI's sampling library."""

import comfy.samplers
import pytest
import torch
from basin_escape.benchmarks.measure import NODES
from basin_escape.samplers.host.patch import patch_model
from basin_escape.samplers.settings import Settings
from basin_escape.samplers.trace import GuidanceTrace

from . import conftest
from .conftest import MEMORIZED, SEED

RHO, GAMMA, ITERATIONS = 0.39, 0.7, 2


class RandomNoise:
    seed = SEED

    def generate_noise(self, latent):
        return comfy.sample.prepare_noise(latent["samples"], self.seed, latent.get("batch_index"))


class DisableNoise:
    seed = 0

    def generate_noise(self, latent):
        return torch.zeros_like(latent["samples"])


def sigmas_of(model):
    return comfy.samplers.KSampler(model, 12, "cpu", "euler", "normal").sigmas


def adjusted(testbed, model=None, noise=None, rho=RHO, gamma=GAMMA, iterations=ITERATIONS):
    model, noise = model or testbed.model, noise or RandomNoise()
    prompts = testbed.encode(MEMORIZED), testbed.encode("")
    node = NODES["AdjustInitialNoiseBatchwise"]()
    return node.adjust(model, *prompts, noise, sigmas_of(model), rho, gamma, iterations)[0]


def written_out(testbed, noise):
    """Sample by sample, with the model itself."""
    model, sigma = testbed.model.model, sigmas_of(testbed.model)[:1]
    contexts = [testbed.encode(prompt)[0][0] for prompt in (MEMORIZED, "")]

    def delta(n):
        x = model.model_sampling.noise_scaling(sigma, n[None], torch.zeros_like(n[None]), True)
        cond, uncond = (
            model.apply_model(x, sigma, c_crossattn=c, transformer_options={"sigmas": sigma}) for c in contexts
        )
        return ((uncond - cond) / sigma)[0]

    made = []
    for n in noise:
        for _ in range(ITERATIONS):
            g = delta(n)
            n = n - GAMMA * (delta(n + RHO * n.numel() ** 0.5 * g / g.norm()) - g)
        made.append(n)
    return torch.stack(made)


def test_it_is_the_written_out_loop(any_testbed):
    noise = adjusted(any_testbed).generate_noise(any_testbed.latent(3))
    start = RandomNoise().generate_noise(any_testbed.latent(3))
    torch.testing.assert_close(noise, written_out(any_testbed, start), rtol=1e-3, atol=1e-3)


def test_where_the_start_is_pure_noise_an_exact_model_has_nothing_to_adjust():
    """Its first prediction then does not depend on the noise, nor does the pull: flow at sigma 1."""
    flow, eps = conftest.Testbed("flow"), conftest.Testbed("eps")
    start = RandomNoise().generate_noise(eps.latent(2))
    torch.testing.assert_close(adjusted(flow).generate_noise(flow.latent(2)), start, rtol=0, atol=1e-5)
    assert (adjusted(eps).generate_noise(eps.latent(2)) - start).abs().max() > 1e-3


def test_it_is_deterministic_and_costs_four_calls_an_image_and_iteration(testbed):
    counted, calls = testbed.counted()
    noise = adjusted(testbed, counted)
    assert calls() == 0 and noise.seed == SEED
    first = noise.generate_noise(testbed.latent(2))
    assert calls() == 4 * ITERATIONS * 2
    assert torch.equal(noise.generate_noise(testbed.latent(2)), first)


def test_a_batch_by_index_is_those_samples_of_the_batch(testbed):
    noise, latent = adjusted(testbed), testbed.latent(4)
    together = noise.generate_noise({**latent, "batch_index": [0, 1, 2, 3]})
    for index in (3, 1):
        single = noise.generate_noise({**testbed.latent(1), "batch_index": [index]})
        torch.testing.assert_close(single[0], together[index], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("off", [{"gamma": 0.0}, {"iterations": 0}])
def test_off_is_the_noise_itself_at_no_call(testbed, off):
    counted, calls = testbed.counted()
    noise = adjusted(testbed, counted, **off).generate_noise(testbed.latent(2))
    assert torch.equal(noise, RandomNoise().generate_noise(testbed.latent(2))) and calls() == 0


def test_no_noise_stays_none(testbed):
    assert not adjusted(testbed, noise=DisableNoise()).generate_noise(testbed.latent(2)).any()


def test_a_patch_of_the_pack_on_the_model_has_no_say(testbed):
    patched = patch_model(testbed.model, Settings("never"), trace := GuidanceTrace())
    noise = adjusted(testbed, patched).generate_noise(testbed.latent(2))
    assert torch.equal(noise, adjusted(testbed).generate_noise(testbed.latent(2)))
    assert not trace.runs


def test_a_static_transition_follows_it(testbed):
    settings = Settings("static", "zero guidance", static_percent=0.1)
    noise = adjusted(testbed).generate_noise(testbed.latent(2))
    samples, run = testbed.guided(settings, MEMORIZED, noise=noise)
    assert samples.isfinite().all() and (run.transition_step > 0).all()


@pytest.mark.parametrize("wrong, message", [({"rho": -1.0}, "rho"), ({"gamma": float("nan")}, "gamma")])
def test_what_is_wrong_is_said(testbed, wrong, message):
    with pytest.raises(ValueError, match=message):
        adjusted(testbed, **wrong)


def test_empty_sigmas_and_a_latent_of_several_parts_are_refused(testbed):
    node, prompts = NODES["AdjustInitialNoiseBatchwise"](), (testbed.encode(MEMORIZED), testbed.encode(""))
    with pytest.raises(ValueError, match="sigmas is empty"):
        node.adjust(testbed.model, *prompts, RandomNoise(), torch.zeros(0), RHO, GAMMA, ITERATIONS)

    class Nested:
        seed = 0

        def generate_noise(self, latent):
            return [torch.zeros(1), torch.zeros(1)]

    with pytest.raises(ValueError, match="several latents in one"):
        adjusted(testbed, noise=Nested()).generate_noise(testbed.latent(1))
