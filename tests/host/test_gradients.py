"""Gradients through models of the host, as a server would take them: weights and prompts are inference tensors."""

import comfy.model_management
import comfy.samplers
import pytest
import torch
from basin_escape.samplers.guidance import norm
from basin_escape.samplers.host.differentiable_run import with_gradients
from basin_escape.samplers.host.gradients import differentiable, value_and_gradient
from basin_escape.tests.support import unets

from .conftest import MEMORIZED, Testbed

STEP = 1e-2


def sigmas_of(model):
    return comfy.samplers.KSampler(model, 12, "cpu", "euler", "normal").sigmas


def in_a_run(bed, work, prompt=MEMORIZED, batch=2):
    latent, prompts = bed.latent(batch), (bed.encode(prompt), bed.encode(""))
    return with_gradients(bed.model, *prompts, sigmas_of(bed.model), latent, bed.noise(batch), 0, work)


def slopes(f, x, direction, step=STEP):
    """Of f along a direction, by central differences: [batch]."""
    return (f(x + step * direction) - f(x - step * direction)) / (2 * step)


def directions(x, number=3):
    return [torch.randn(x.shape, generator=torch.manual_seed(seed)) for seed in range(number)]


@pytest.fixture(scope="module", params=["eps", "learned"])
def bed(request):
    """Loaded as on a server."""
    with torch.inference_mode():
        return Testbed(request.param)


@pytest.fixture(params=[False, True], ids=["plain", "inference mode"])
def mode(request):
    with torch.inference_mode(request.param):
        yield


def test_the_gradient_for_the_noise_is_that_of_finite_differences(bed, mode):
    def work(noise, run):
        def pull(n):
            return norm(run.delta(n))

        value, gradient = run.value_and_gradient(pull, noise)
        torch.testing.assert_close(value, pull(noise))
        for direction in directions(noise):
            along = (gradient * direction).flatten(1).sum(1)
            torch.testing.assert_close(along, slopes(pull, noise, direction), rtol=0.02, atol=1e-4)
        return value

    assert (in_a_run(bed, work) > 0).all()


def test_the_gradient_for_the_prompt_is_that_of_finite_differences(bed, mode):
    """At an embedding that is positive: less than nothing of a word counts as nothing to the exact models."""

    def work(noise, run):
        x, uncond = run.noisy(noise), run.uncond(run.noisy(noise), run.sigma)

        def pull(context):
            return norm(run.cond(x, run.sigma, context) - uncond) / run.sigma

        context = run.embedding.float() + 0.02
        _, gradient = run.value_and_gradient(pull, context)
        for direction in directions(context):
            expected = slopes(pull, context, direction, 1e-3).sum()
            torch.testing.assert_close((gradient * direction).sum(), expected, rtol=0.02, atol=1e-4)
        return gradient

    assert in_a_run(bed, work).any()


@pytest.mark.parametrize("kind", unets.KINDS)
def test_finite_differences_agree_on_the_hosts_own_networks(kind, mode):
    """Where the attention block of 2024 adds in place, and weights may require gradients."""
    with torch.inference_mode():
        model = unets.load_unet(kind)
    noise = torch.randn(1, 4, 8, 8, generator=torch.manual_seed(0))
    prompts = unets.prompt(kind, 1), unets.prompt(kind, 2)

    def work(noise, run):
        def pull(n):
            return norm(run.delta(n))

        _, gradient = run.value_and_gradient(pull, noise)
        for direction in directions(noise):
            found = (gradient * direction).flatten(1).sum(1)
            torch.testing.assert_close(found, slopes(pull, noise, direction), rtol=0.05, atol=1e-3)
        return run.forward, run.backward

    flags = [weight.requires_grad for weight in model.model.parameters()]
    counts = with_gradients(model, *prompts, sigmas_of(model), {"samples": torch.zeros_like(noise)}, noise, 0, work)
    assert counts == (14, 2)
    assert [weight.requires_grad for weight in model.model.parameters()] == flags
    assert all(weight.grad is None for weight in model.model.parameters())


def test_predictions_are_those_of_a_sampler(bed, mode):
    """delta is made of the same D_c and D_u that are to be had one by one."""

    def work(noise, run):
        x = run.noisy(noise)
        apart = (run.uncond(x, run.sigma) - run.cond(x, run.sigma)) / run.sigma
        torch.testing.assert_close(run.delta(noise), apart, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(run.cond(x, run.sigma, run.embedding), run.cond(x, run.sigma))
        return run.forward

    assert in_a_run(bed, work) == 12


def test_a_value_that_is_low_enough_costs_no_backward_pass(bed, mode):
    def work(noise, run):
        value, gradient = run.value_and_gradient(lambda n: norm(run.delta(n)), noise, 1e6)
        return gradient, run.forward, run.backward, value.requires_grad

    assert in_a_run(bed, work) == (None, 4, 0, False)


def modes():
    return (torch.is_inference_mode_enabled(), torch.is_grad_enabled(), torch.overrides._get_current_function_mode())


class Stop(Exception):
    pass


def test_what_ends_it_early_leaves_every_mode_as_it_was(bed, mode):
    before = modes()

    def work(noise, run):
        def stopped(n):
            run.delta(n)
            raise Stop

        run.value_and_gradient(stopped, noise)

    with pytest.raises(Stop):
        in_a_run(bed, work)
    assert modes() == before
    with differentiable():
        assert not torch.is_inference_mode_enabled() and torch.is_grad_enabled()
    assert modes() == before


def test_cancel_stops_within_one_evaluation(bed, mode):
    asked = []

    def work(noise, run):
        def pull(n):
            asked.append(n)
            comfy.model_management.interrupt_current_processing(True)
            return norm(run.delta(n))

        for _ in range(5):
            run.value_and_gradient(pull, noise)

    with pytest.raises(comfy.model_management.InterruptProcessingException):
        in_a_run(bed, work)
    assert len(asked) == 1


def test_out_of_memory_goes_on_with_what_backward_needs_in_main_memory(bed, mode):
    """And to the same gradient."""

    def work(noise, run):
        def pull(n):
            if not run.in_main_memory:
                raise torch.cuda.OutOfMemoryError("as a full device would")
            return norm(run.delta(n))

        found = run.value_and_gradient(pull, noise)
        run.in_main_memory = False
        _, expected = run.value_and_gradient(lambda n: norm(run.delta(n)), noise)
        torch.testing.assert_close(found[1], expected, rtol=1e-4, atol=1e-6)
        return run.forward, run.backward

    assert in_a_run(bed, work) == (8, 8)


def test_out_of_memory_there_as_well_is_said(bed):
    def work(noise, run):
        def full(n):
            raise torch.cuda.OutOfMemoryError

        run.value_and_gradient(full, noise)

    with pytest.raises(torch.cuda.OutOfMemoryError):
        in_a_run(bed, work)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_not_finite_is_said(value):
    with pytest.raises(ValueError, match="not finite"):
        value_and_gradient(lambda x: x.sum() * value, torch.ones(2))


def test_no_backward_pass_is_said():
    with pytest.raises(ValueError, match="no backward pass"):
        value_and_gradient(lambda x: x.detach().sum(), torch.ones(2))


def test_a_small_gradient_of_half_precision_is_kept():
    """1e-7 is lost in float16, whose smallest number is 6e-8 and has one digit there."""
    weight = torch.tensor([1e-7 * 4], dtype=torch.float32)

    def f(x):
        return (x.half() * 0.25).float() * weight

    _, gradient = value_and_gradient(f, torch.ones(1))
    torch.testing.assert_close(gradient, torch.tensor([1e-7]), rtol=0.01, atol=0)


def test_quantised_weights_are_refused_by_the_models_name(monkeypatch):
    model = unets.load_unet("SD1.x")
    layer = model.model.diffusion_model.out[2]
    layer.weight = torch.nn.Parameter(layer.weight.detach().to(torch.int8), requires_grad=False)
    noise = torch.randn(1, 4, 8, 8)
    prompts = unets.prompt("SD1.x", 1), unets.prompt("SD1.x", 2)
    with pytest.raises(ValueError, match=r"BaseModel.*quantised.*out\.2\.weight"):
        with_gradients(
            model, *prompts, sigmas_of(model), {"samples": torch.zeros_like(noise)}, noise, 0, lambda *_: None
        )


def test_a_prompt_outside_of_its_range_is_refused():
    bed = Testbed("eps")
    late = [[cond, {**extra, "start_percent": 0.5, "end_percent": 1.0}] for cond, extra in bed.encode(MEMORIZED)]
    with pytest.raises(ValueError, match="no guidance to look at"):
        with_gradients(
            bed.model, late, bed.encode(""), sigmas_of(bed.model), bed.latent(1), bed.noise(1), 0, lambda *_: None
        )


def test_several_prompts_in_one_have_no_embedding():
    bed = Testbed("eps")
    both = bed.encode(MEMORIZED) + bed.encode("red circle")
    with pytest.raises(ValueError, match="must be one prompt"):
        with_gradients(
            bed.model,
            both,
            bed.encode(""),
            sigmas_of(bed.model),
            bed.latent(1),
            bed.noise(1),
            0,
            lambda noise, run: run.embedding,
        )
