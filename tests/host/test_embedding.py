"""The nodes that take gradients with respect to the prompt, on ComfyUI's sampling library."""

import re

import comfy.sample
import pytest
import torch
from basin_escape.benchmarks.measure import NODES
from basin_escape.nodes import embedding_report
from basin_escape.samplers.host.patch import patch_model
from basin_escape.samplers.settings import Settings
from basin_escape.samplers.trace import GuidanceTrace
from basin_escape.testbed.judge import similarity
from basin_escape.tests.support import unets

from .conftest import MEMORIZED, ORDINARY, SEED, Testbed
from .test_found_noise import cancel, defaults_of

TARGET = 0.012


def moved(bed, prompt=MEMORIZED, batch=2, model=None, positive=None, latent=None, seed=SEED, **changes):
    widgets = {"target": TARGET, "one_for_all": True, "learning_rate": 0.05, "max_iterations": 10}
    prompts = positive or bed.encode(prompt), bed.encode("")
    latent = bed.latent(batch) if latent is None else latent
    node = NODES["MitigatePromptEmbedding"]()
    return node.mitigate(model or bed.model, *prompts, latent, seed, **{**widgets, **changes})


def measured(bed, text=MEMORIZED, batch=2, model=None, clip=None):
    node = NODES["TokenSignificance"]()
    found = node.measure(model or bed.model, clip or bed.clip, text, bed.encode(""), bed.latent(batch), SEED)
    return found["result"]


def probed(bed, prompt=ORDINARY, picture=None, model=None, positive=None, **changes):
    widgets = {"seed": 3, "steps": 4, "draws": 3, "learning_rate": 0.1}
    picture = {"samples": bed.vae.encode(bed.memorized[:1])} if picture is None else picture
    positive = bed.encode(prompt) if positive is None else positive
    return NODES["ProbeMemorization"]().probe(model or bed.model, positive, picture, **{**widgets, **changes})


ALL = pytest.mark.parametrize("work", [moved, measured, probed])


@pytest.fixture(scope="module", params=["eps", "learned"])
def bed(request):
    return Testbed(request.param)


@pytest.fixture(scope="module")
def served():
    """Loaded as on a server."""
    with torch.inference_mode():
        return Testbed("learned")


def says(bed, x, sigma, context):
    """D of the model itself, of the prompt `context` for all."""
    model, context = bed.model.model, context.expand(len(x), -1, -1)
    return model.apply_model(x, sigma, c_crossattn=context, transformer_options={"sigmas": sigma})


def norms_of(bed, prompt, batch):
    """e -> the guidance norm of every image in RMS, by the model itself."""
    sampling = bed.model.get_model_object("model_sampling")
    sigma, noise = sampling.sigma_max.reshape(1).expand(batch), bed.noise(batch)
    x = sampling.noise_scaling(sampling.sigma_max, noise, torch.zeros_like(noise), True)
    empty = says(bed, x, sigma, bed.encode("")[0][0])
    return lambda e: ((empty - says(bed, x, sigma, e)) / sampling.sigma_max).flatten(1).norm(dim=1) / 768**0.5


@pytest.mark.parametrize("target", [0.0, TARGET])
def test_the_prompt_is_moved_by_the_papers_loop(any_testbed, target):
    """With PyTorch's AdamW; exact models have nothing that autograd cannot pass."""
    norms = norms_of(any_testbed, MEMORIZED, 3)
    start = any_testbed.encode(MEMORIZED)[0][0]
    e, sizes = start.clone().requires_grad_(), []
    optimizer = torch.optim.AdamW([e], lr=0.05)
    for step in range(7):
        loss = norms(e).square().mean().sqrt()
        sizes.append(loss.item())
        if loss <= target or step == 6:
            break
        (e.grad,) = torch.autograd.grad(loss, e)
        optimizer.step()
        with torch.no_grad():
            e[:, 0] = start[:, 0]
    made, report = moved(any_testbed, batch=3, target=target, max_iterations=6)
    torch.testing.assert_close(made[0][0], e.detach(), rtol=1e-3, atol=1e-3)
    assert f"{sizes[0]:.4f} RMS" in report and f"{sizes[-1]:.4f} RMS" in report
    assert f"after {len(sizes) - 1} updates" in report and ("target not reached" in report) == (sizes[-1] > target)
    assert f"cost: {3 * (len(sizes) + 1)} model calls, {3 * (len(sizes) - 1)} of them" in report


def test_it_comes_down_to_the_target_and_keeps_the_first_token(bed):
    made, report = moved(bed)
    before, after = bed.encode(MEMORIZED)[0][0], made[0][0]
    assert torch.equal(before[:, 0], after[:, 0]) and (before[:, 1:] != after[:, 1:]).any()
    assert "target not reached" not in report and after.shape == before.shape
    with torch.no_grad():
        assert norms_of(bed, MEMORIZED, 2)(after).square().mean().sqrt() <= TARGET + 1e-5


@pytest.mark.parametrize("shared", [True, False])
def test_a_target_that_is_met_hands_the_prompt_on_bit_for_bit(bed, shared):
    counted, calls = bed.counted()
    positive = bed.encode(ORDINARY)
    made, report = moved(bed, positive=positive, model=counted, target=0.03, one_for_all=shared)
    assert made is positive and torch.equal(made[0][0], bed.encode(ORDINARY)[0][0])
    assert calls() == 4 and "unchanged" in report and "cost: 4 model calls, 0 of them" in report


def test_an_embedding_for_each_image_is_that_of_the_image_alone(bed):
    latent = {**bed.latent(3), "batch_index": [0, 1, 2]}
    together = moved(bed, latent=latent, one_for_all=False)[0][0][0]
    assert len(together) == 3
    for index in (2, 0):
        single = {**bed.latent(1), "batch_index": [index]}
        for shared in (True, False):
            alone = moved(bed, latent=single, one_for_all=shared)[0][0][0]
            assert torch.equal(alone[0], together[index])


def test_images_that_are_there_keep_the_prompt_among_others_that_are_not(bed):
    with torch.no_grad():
        first = norms_of(bed, MEMORIZED, 4)(bed.encode(MEMORIZED)[0][0])
    between = (first.min() + first.max()).item() / 2
    made, report = moved(bed, batch=4, target=between, one_for_all=False)
    for row, line in enumerate(report.splitlines()[:4]):
        same = torch.equal(made[0][0][row], bed.encode(MEMORIZED)[0][0][0])
        assert same == (first[row] <= between) == ("unchanged" in line), line


def test_the_moved_prompt_is_sampled_and_copies_less(bed):
    picture = bed.vae.encode(bed.memorized[:1])[0]
    copies = []
    for positive in (bed.encode(MEMORIZED), moved(bed, target=0.003)[0]):
        noise = bed.noise(2)
        samples = comfy.sample.sample(
            bed.model, noise, 12, 7.5, "euler", "normal", positive, bed.encode(""), torch.zeros_like(noise),
            disable_pbar=True, seed=SEED,
        )  # fmt: skip
        copies.append(similarity(samples, picture).mean().item())
    assert copies[1] < copies[0] - 0.2


def test_the_pooled_vector_and_the_precision_are_the_prompts():
    model = unets.load_unet("SDXL")
    (cond, extra), *_ = unets.prompt("SDXL", 1, width=64)
    latent, empty = {"samples": torch.zeros(1, 4, 8, 8)}, unets.prompt("SDXL", 2)
    widgets = {"target": 0.0, "one_for_all": True, "learning_rate": 0.05, "max_iterations": 1}
    node = NODES["MitigatePromptEmbedding"]()
    made, _ = node.mitigate(model, [[cond.half(), extra]], empty, latent, 1, **widgets)
    assert made[0][0].dtype == torch.float16 and made[0][0].shape == cond.shape
    assert made[0][1] == extra and made[0][1] is not extra and not torch.equal(made[0][0], cond.half())


def test_the_significance_is_the_gradient_of_every_word(any_testbed):
    e = any_testbed.encode(MEMORIZED)[0][0].repeat(2, 1, 1).requires_grad_()
    (gradient,) = torch.autograd.grad(norms_of(any_testbed, MEMORIZED, 2)(e).sum(), e)
    image, report, values = measured(any_testbed)
    assert values == pytest.approx(gradient.norm(dim=2).mean(0).tolist(), rel=1e-3)
    assert image.shape[0] == 1 and image.shape[3] == 3 and image.min() >= 0 and image.max() <= 1
    assert report.splitlines()[-1] == "cost: 4 model calls, 2 of them with a backward pass"


def test_the_words_are_those_of_the_prompt_in_both_of_the_testbeds_encoders(bed):
    _, report, values = measured(bed, "aurora, red unheard circle")
    words = [line.split(" ")[1] for line in report.splitlines()[:-1]]
    unknown = "?" if bed.model.model.diffusion_model.__class__.__name__ == "Network" else "unheard"
    assert sorted(words) == sorted(["aurora", "red", unknown, "circle"]) and len(values) == 4
    numbers = [float(line.split(" ")[0]) for line in report.splitlines()[:-1]]
    assert numbers == sorted(numbers, reverse=True) and numbers == pytest.approx(sorted(values)[::-1], rel=1e-3)


def test_a_long_prompt_has_the_words_of_all_its_rows():
    text = " ".join(["red", "circle"] * 7)
    assert len(measured(Testbed("learned"), text)[2]) == 14


def test_the_picture_of_the_probe_is_searched_for_by_the_written_out_loop(any_testbed):
    """The draws are those of the seed: timesteps first, then the noise."""
    sampling = any_testbed.model.get_model_object("model_sampling")
    picture = any_testbed.model.model.process_latent_in(any_testbed.vae.encode(any_testbed.memorized[:1]))
    generator = torch.Generator().manual_seed(3)
    e = any_testbed.encode(ORDINARY)[0][0].clone().requires_grad_()
    optimizer = torch.optim.Adam([e], lr=0.1)
    for _ in range(4):
        percents = 0.001 + 0.998 * torch.rand(3, generator=generator)
        sigmas = [sampling.percent_to_sigma(percent) for percent in percents.tolist()]
        noises, loss = torch.randn(3, *picture.shape[1:], generator=generator), 0.0
        for sigma, noise in zip(sigmas, noises, strict=True):
            level = torch.tensor([float(sigma)])
            x = sampling.noise_scaling(level, noise[None], picture, False)
            loss = loss + ((says(any_testbed, x, level, e) - picture) / level).square().mean() / 3
        (e.grad,) = torch.autograd.grad(loss, e)
        optimizer.step()
    made, report = probed(any_testbed)
    torch.testing.assert_close(made[0][0], e.detach(), rtol=1e-2, atol=1e-2)
    assert report.splitlines()[-1] == "cost: 21 model calls, 12 of them with a backward pass"


def test_the_probe_finds_what_the_model_has_memorized():
    """From an ordinary prompt the error comes down to that of the caption."""
    learned = Testbed("learned")
    first_lines = [probed(learned, prompt, steps=50, draws=8)[1].splitlines()[0] for prompt in (ORDINARY, MEMORIZED)]
    (before, after), (caption, _) = (map(float, re.findall(r"\d\.\d+", line)) for line in first_lines)
    assert after < before / 3 and after < 2 * caption


@ALL
def test_it_runs_under_inference_mode_to_the_same(served, work):
    plain = work(Testbed("learned"))
    with torch.inference_mode():
        found = work(served)
    for one, other in zip(plain, found, strict=True):
        if isinstance(one, list) and isinstance(one[0], list):
            assert torch.equal(one[0][0], other[0][0])
        else:
            assert torch.equal(one, other) if isinstance(one, torch.Tensor) else one == other


@pytest.mark.parametrize("work", [moved, probed])
def test_cancel_leaves_everything_as_it_was(bed, work, monkeypatch):
    widgets = {"target": 0.0} if work is moved else {}
    work(bed, **widgets)
    cancel(bed, lambda: work(bed, **widgets), embedding_report, monkeypatch)
    assert torch.equal(work(bed, **widgets)[0][0][0], work(bed, **widgets)[0][0][0])


@ALL
def test_a_patch_of_the_pack_on_the_model_has_no_say(bed, work):
    patched = patch_model(bed.model, Settings("never"), trace := GuidanceTrace())
    assert work(bed, model=patched)[1] == work(bed)[1] and not trace.runs


@pytest.mark.parametrize(
    ("work", "wrong", "message"),
    [
        (moved, {"target": -1.0}, "target is"),
        (moved, {"learning_rate": float("nan")}, "learning_rate is"),
        (moved, {"positive": [[torch.zeros(2, 3, 26), {}]]}, "positive has 2 embeddings"),
        (moved, {"latent": {"samples": [torch.zeros(1)]}}, "several latents in one"),
        (measured, {"text": ""}, "text is empty"),
        (probed, {"steps": 0}, "steps is"),
        (probed, {"positive": []}, "positive is an empty"),
        (probed, {"picture": {"samples": torch.zeros(1, 3, 16, 16)}}, "picture is an empty latent"),
        (probed, {"picture": {"samples": torch.ones(2, 3, 16, 16)}}, "picture must hold one"),
    ],
)
def test_what_is_wrong_is_said(work, wrong, message):
    with pytest.raises(ValueError, match=message):
        work(Testbed("eps"), **wrong)


def test_the_defaults_are_the_papers():
    """At 512 x 512 pixels a latent has 16384 elements, whose root is 128."""
    defaults = defaults_of("MitigatePromptEmbedding")
    assert defaults["target"] * 128 == pytest.approx(3 / 4**0.5, abs=0.01)  # README of the released code: 4 images
    assert [defaults[name] for name in ("learning_rate", "max_iterations", "one_for_all")] == [0.05, 10, True]
    defaults = defaults_of("ProbeMemorization")
    assert [defaults[name] for name in ("learning_rate", "steps", "draws")] == [0.1, 50, 8]  # Finding DoRI
