"""The nodes that search for a start noise by gradients, on ComfyUI's sampling library."""

import comfy.model_management
import comfy.samplers
import comfy.utils
import pytest
import torch
from basin_escape.benchmarks.measure import NODES
from basin_escape.nodes import found_noise
from basin_escape.samplers.guidance import norm
from basin_escape.samplers.host.patch import patch_model
from basin_escape.samplers.settings import Settings
from basin_escape.samplers.trace import GuidanceTrace

from .conftest import MEMORIZED, ORDINARY, SEED, Testbed
from .test_initial_noise import DisableNoise, RandomNoise, sigmas_of

PER_SAMPLE = {"target": 0.012, "learning_rate": 0.01, "max_iterations": 6, "keep_length": False}
SAIL = {"threshold": 0.06, "alpha": 0.05, "step": 0.0078, "learning_rate": 0.05, "max_iterations": 2, "candidates": 2}
BOTH = pytest.mark.parametrize("how", [PER_SAMPLE, SAIL], ids=["per sample", "SAIL"])


def found(bed, how, prompt=MEMORIZED, batch=2, model=None, noise=None, latent=None, **changes):
    node = NODES["AdjustInitialNoisePerSample" if "target" in how else "SharpnessAwareInitialNoise"]()
    sockets = {
        "model": model or bed.model,
        "positive": bed.encode(prompt),
        "negative": bed.encode(""),
        "noise": noise or RandomNoise(),
        "sigmas": sigmas_of(bed.model),
        "latent_image": latent or bed.latent(batch),
    }
    return getattr(node, node.FUNCTION)(**{**sockets, **how, **changes})


def tensor(bed, how, batch=2, **options):
    noise, _ = found(bed, how, batch=batch, **options)
    return noise.generate_noise(bed.latent(batch))


@pytest.fixture(scope="module")
def learned():
    with torch.inference_mode():
        return Testbed("learned")


@pytest.fixture(params=["eps", "learned"], scope="module")
def bed(request):
    return Testbed(request.param)


def written_out(bed, noise, updates, target, rate):
    """The paper's loop with PyTorch's AdamW, sample by sample, through the model itself."""
    model, sigma = bed.model.model, sigmas_of(bed.model)[:1]
    contexts = [bed.encode(prompt)[0][0] for prompt in (MEMORIZED, "")]

    def pull(n):
        x = model.model_sampling.noise_scaling(sigma, n, torch.zeros_like(n), True)
        cond, uncond = (
            model.apply_model(x, sigma, c_crossattn=c, transformer_options={"sigmas": sigma}) for c in contexts
        )
        return ((uncond - cond) / sigma).norm() / n.numel() ** 0.5

    made = []
    for one in noise.split(1):
        x = one.clone().requires_grad_()
        optimizer = torch.optim.AdamW([x], lr=rate)
        for _ in range(updates):
            loss = pull(x)
            if loss <= target:
                break
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        made.append(x.detach())
    return torch.cat(made)


@pytest.mark.parametrize("target", [0.0, 0.0178])
def test_per_sample_is_the_papers_loop(target):
    """On the exact model, which adds nothing in place and has no weights."""
    bed, start = Testbed("eps"), RandomNoise().generate_noise(Testbed("eps").latent(2))
    expected = written_out(bed, start, 6, target, 0.01)
    torch.testing.assert_close(tensor(bed, PER_SAMPLE, target=target), expected, rtol=1e-3, atol=1e-3)


def test_it_lowers_the_pull_and_reports_it(bed):
    _, report = found(bed, PER_SAMPLE, target=0.0, max_iterations=12)
    first, second, cost = report.splitlines()
    assert first.startswith("image 1: target not reached: norm 0.0") and second.startswith("image 2: ")
    before, after = (float(part.split(" RMS")[0]) for part in first.split("norm ")[1].split(" -> "))
    assert after < before and ", length x " in first
    assert cost == "cost: 26 pairs of model calls, 24 of them with a backward pass"


def test_its_length_is_kept_where_that_is_asked(bed):
    noise, report = found(bed, PER_SAMPLE, keep_length=True, learning_rate=0.1)
    torch.testing.assert_close(norm(noise.found), norm(noise.start))
    assert report.count("length x 1.00") == 2
    assert found(bed, PER_SAMPLE, learning_rate=0.1)[1].count("length x 1.00") < 2


@BOTH
def test_a_target_that_is_met_changes_nothing_bit_for_bit_and_costs_one_look(bed, how):
    counted, calls = bed.counted()
    high = {"target": 1.0} if how is PER_SAMPLE else {"threshold": 1.0}
    noise, report = found(bed, how, model=counted, **high)
    assert torch.equal(noise.generate_noise(bed.latent(2)), RandomNoise().generate_noise(bed.latent(2)))
    assert calls() == (4 if how is PER_SAMPLE else 8) and report.count("unchanged") == 2
    assert "0 of them with a backward pass" in report


@BOTH
def test_a_batch_is_its_images_one_by_one(bed, how):
    latent = {**bed.latent(3), "batch_index": [0, 1, 2]}
    together = found(bed, how, latent=latent)[0].generate_noise(latent)
    for index in (2, 0):
        latent = {**bed.latent(1), "batch_index": [index]}
        alone = found(bed, how, latent=latent)[0].generate_noise(latent)
        assert torch.equal(alone[0], together[index])


@BOTH
def test_it_is_deterministic_and_keeps_the_seed(bed, how):
    noise, report = found(bed, how)
    assert noise.seed == SEED
    assert torch.equal(noise.generate_noise(bed.latent(2)), tensor(bed, how)) and found(bed, how)[1] == report


@BOTH
def test_it_runs_under_inference_mode_to_the_same_noise(learned, how):
    plain = tensor(Testbed("learned"), how)
    with torch.inference_mode():
        served = tensor(learned, how)
    torch.testing.assert_close(served, plain, rtol=0, atol=0)


def state(model):
    """All that a search might leave changed on a model."""
    weights = [
        (name, weight.requires_grad, weight.grad, weight.device, weight.data_ptr(), weight._version)
        for name, weight in model.model.named_parameters()
        if not weight.is_inference()
    ]
    modules = [
        (name, module.training, len(module._forward_hooks), sorted(vars(module)))
        for name, module in model.model.named_modules()
    ]
    return weights, modules, repr(model.model_options)


def modes():
    return torch.is_inference_mode_enabled(), torch.is_grad_enabled()


def cancel(bed, work, node_file, monkeypatch):
    """Cancel `work()` at its first, second ... evaluation, as the page's button does: the model is as it was."""
    before, on = state(bed.model), modes()
    for after in (1, 2, 3):
        told = []

        def show(text, told=told, after=after):
            told.append(text)
            if len(told) == after:
                comfy.model_management.interrupt_current_processing(True)

        monkeypatch.setattr(node_file, "show_text", show)
        with pytest.raises(comfy.model_management.InterruptProcessingException):
            work()
        assert len(told) == after and (state(bed.model), modes()) == (before, on)
    monkeypatch.undo()


@BOTH
def test_cancel_leaves_everything_as_it_was(bed, how, monkeypatch):
    tensor(bed, how, max_iterations=0)
    never = {"threshold": 0.0} if how is SAIL else {"target": 0.0}
    cancel(bed, lambda: found(bed, how, **never), found_noise, monkeypatch)
    assert torch.equal(tensor(bed, how), tensor(bed, how))


@pytest.mark.parametrize("raised", [torch.cuda.OutOfMemoryError("full"), RuntimeError("broken")])
def test_an_error_on_the_way_leaves_everything_as_it_was(bed, raised):
    tensor(bed, PER_SAMPLE, max_iterations=0)
    before, on = state(bed.model), modes()
    calls = []

    def fails(module, inputs):
        calls.append(1)
        if len(calls) > 3:
            raise raised

    watching = bed.model.model.diffusion_model.register_forward_pre_hook(fails)
    try:
        with pytest.raises(type(raised)):
            found(bed, PER_SAMPLE, target=0.0)
    finally:
        watching.remove()
    assert (state(bed.model), modes()) == (before, on)


@pytest.mark.parametrize("shape", [(1, 128, 128), (2, 128, 128), (2, 1, 128, 128)])
def test_a_mask_of_the_latent_goes_along(bed, shape):
    latent = {**bed.latent(2), "noise_mask": torch.ones(shape)}
    noise = found(bed, PER_SAMPLE, latent=latent, max_iterations=1)[0].generate_noise(latent)
    assert torch.equal(noise, tensor(bed, PER_SAMPLE, max_iterations=1))


def test_progress_is_told_with_the_norm(bed, monkeypatch):
    texts, steps = [], []
    monkeypatch.setattr(found_noise, "show_text", texts.append)
    monkeypatch.setattr(comfy.utils.ProgressBar, "update_absolute", lambda self, value, *_: steps.append(value))
    _, report = found(bed, PER_SAMPLE, target=0.0)
    assert texts[-1] == report and texts[0].startswith("image 1 of 2, update 0: norm 0.0")
    assert texts[7].startswith("image 2 of 2, update 0: norm 0.0") and steps == [*range(7), *range(6, 13)]


def test_a_patch_of_the_pack_on_the_model_has_no_say(bed):
    patched = patch_model(bed.model, Settings("never"), trace := GuidanceTrace())
    assert torch.equal(tensor(bed, PER_SAMPLE, model=patched), tensor(bed, PER_SAMPLE)) and not trace.runs


def test_the_noise_goes_into_a_sampler(bed):
    noise = tensor(bed, PER_SAMPLE)
    assert bed.stock(MEMORIZED, noise=noise).isfinite().all() and not noise.is_inference()


@BOTH
def test_another_latent_is_refused_by_name(bed, how):
    noise, _ = found(bed, how, max_iterations=0)
    with pytest.raises(ValueError, match="latent_image"):
        noise.generate_noise(bed.latent(3))


@BOTH
def test_no_noise_stays_none(bed, how):
    noise, report = found(bed, how, noise=DisableNoise())
    assert not noise.generate_noise(bed.latent(2)).any() and report == "no noise to adjust"


@pytest.mark.parametrize(
    ("how", "wrong", "message"),
    [
        (PER_SAMPLE, {"target": -1.0}, "target is"),
        (PER_SAMPLE, {"learning_rate": float("nan")}, "learning_rate is"),
        (PER_SAMPLE, {"sigmas": torch.zeros(0)}, "sigmas is empty"),
        (PER_SAMPLE, {"positive": []}, "positive is an empty"),
        (PER_SAMPLE, {"latent_image": {"samples": [torch.zeros(1)]}}, "several latents in one"),
        (PER_SAMPLE, {"positive": [[torch.zeros(2, 3, 30), {}]]}, "positive holds a prompt for each image"),
        (SAIL, {"threshold": 2.0}, "threshold is"),
        (SAIL, {"candidates": 0}, "candidates is"),
        (SAIL, {"step": float("inf")}, "step is"),
    ],
)
def test_what_is_wrong_is_said(how, wrong, message):
    with pytest.raises(ValueError, match=message):
        found(Testbed("eps"), how, **wrong)


def defaults_of(key):
    return {name: options.get("default") for name, (_, options) in NODES[key].INPUT_TYPES()["required"].items()}


def test_the_defaults_are_the_papers():
    """At 512 x 512 pixels a latent has 16384 elements, whose root is 128."""
    defaults = defaults_of("AdjustInitialNoisePerSample")
    assert defaults["target"] * 128 == pytest.approx(0.9, abs=0.01)  # README of the released code, SD 1.4
    assert (defaults["learning_rate"], defaults["max_iterations"]) == (0.01, 1000)
    defaults = defaults_of("SharpnessAwareInitialNoise")
    assert defaults["threshold"] * 128 == pytest.approx(8.2, abs=0.05)  # miti_thres of the released code
    assert defaults["step"] * 128 == pytest.approx(1.0, abs=0.01)
    others = [defaults[name] for name in ("alpha", "learning_rate", "max_iterations", "candidates")]
    assert others == [0.05, 0.05, 10, 8]


def test_an_ordinary_prompt_below_the_target_is_left_alone(bed):
    _, report = found(bed, PER_SAMPLE, ORDINARY, target=0.03)
    assert report.count("unchanged, its norm is below the target") == 2
