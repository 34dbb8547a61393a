"""How often the host waits for the model's device, on a device that counts."""

import comfy.model_management
import comfy.samplers
import pytest
import torch
from basin_escape.samplers.host.guider import BasinEscapeCFGGuider
from basin_escape.samplers.host.patch import WrappersMP, patch_model
from basin_escape.samplers.settings import Settings
from basin_escape.samplers.trace import GuidanceTrace
from basin_escape.tests.support.far_device import FarDevice, far, near
from torch.utils._pytree import tree_map

from .conftest import MEMORIZED, OTHER, run_guider

STEPS = 12
END = 2  # for the numbers that nobody has asked for yet, and for the decomposition of the latents


@pytest.fixture
def far_model(testbed, monkeypatch):
    """The testbed's model, whose network takes its input from the far device and puts its output there."""
    monkeypatch.setattr(comfy.model_management, "get_free_memory", lambda *args: 1e12)

    def network(apply_model, args):
        return far(apply_model(near(args["input"]), near(args["timestep"]), **tree_map(near, args["c"])))

    model = testbed.model.clone()
    model.set_model_unet_function_wrapper(network)
    return model


def waits(guider, testbed):
    """Of the model calls of a run one by one, and of its end; and what was sampled."""
    device, counts, predict = FarDevice(), [], guider.predict_noise

    def predict_noise(x, timestep, *args, **kwargs):
        before = device.waits
        samples = predict(far(x), far(timestep), *args, **kwargs)
        counts.append(device.waits - before)
        return near(samples)

    guider.predict_noise = predict_noise
    with device:
        samples = run_guider(guider, testbed.noise(), STEPS)
    return counts, device.waits - sum(counts), samples


def guider_of(testbed, model, settings, skip=False, listener=None, **conds):
    guider = BasinEscapeCFGGuider(model, settings, GuidanceTrace(listener=listener), skip)
    guider.set_conds(testbed.encode(MEMORIZED), *(testbed.encode(prompt) for prompt in conds.values() or [""]))
    guider.set_cfg(7.5)
    return guider, guider.trace


def patch_of(testbed, model, settings):
    guider = comfy.samplers.CFGGuider(patch_model(model, settings, trace := GuidanceTrace()))
    guider.set_conds(testbed.encode(MEMORIZED), testbed.encode(""))
    guider.set_cfg(7.5)
    return guider, trace


def needs_announcement(build):
    return pytest.param(
        build, marks=pytest.mark.skipif(WrappersMP is None, reason="this host does not tell when a run ends")
    )


@pytest.fixture(params=[guider_of, needs_announcement(patch_of)])
def build(request):
    return request.param


def test_stock_waits_for_nothing(testbed, far_model):
    stock = comfy.samplers.CFGGuider(far_model)
    stock.set_conds(testbed.encode(MEMORIZED), testbed.encode(""))
    assert waits(stock, testbed)[:2] == ([0] * STEPS, 0)


@pytest.mark.parametrize("settings", [Settings("off"), Settings("static"), Settings("static", "opposite guidance")])
def test_static_and_off_wait_at_the_end_alone(testbed, far_model, build, settings):
    guider, trace = build(testbed, far_model, settings)
    assert waits(guider, testbed)[:2] == ([0] * STEPS, END)
    assert trace.runs[0].quantity("guidance_norm").isfinite().all()


def test_a_gate_waits_in_the_first_call(testbed, far_model, build):
    for threshold in (0.001, 0.9):
        guider, trace = build(testbed, far_model, Settings("static", memorization_threshold=threshold))
        assert waits(guider, testbed)[:2] == ([1] + [0] * (STEPS - 1), END)
        assert trace.runs[0].gated.all() == (threshold == 0.9)


def test_a_dynamic_transition_waits_once_a_call_until_every_image_has_had_it(testbed, far_model, build, settings):
    guider, trace = build(testbed, far_model, settings)
    counts, end, _ = waits(guider, testbed)
    last = trace.runs[0].transition_step.max().item() + 1
    assert 2 < last < STEPS
    assert counts == [1] * last + [0] * (STEPS - last) and end == END


@pytest.mark.parametrize("conds", [{}, {"negative": OTHER, "unconditional": ""}])
def test_a_choice_of_passes_waits_once_a_call(testbed, far_model, conds):
    guider, _ = guider_of(testbed, far_model, Settings("static"), skip=not conds, **conds)
    assert waits(guider, testbed)[:2] == ([1] * STEPS, END)
    dynamic, _ = guider_of(testbed, far_model, Settings(), **conds)
    assert max(waits(dynamic, testbed)[0]) == 1


class Watcher:
    def __init__(self, due):
        self.due = lambda: due
        self.steps = []

    def __call__(self, run, ended):
        self.steps.append(run.steps)


@pytest.mark.parametrize("due", [False, True])
def test_a_live_curve_costs_a_wait_only_where_it_is_due(testbed, far_model, due):
    guider, _ = guider_of(testbed, far_model, Settings("static"), listener=(watcher := Watcher(due)))
    assert waits(guider, testbed)[:2] == ([int(due)] * STEPS, END - int(due))
    assert watcher.steps == [*range(1, STEPS + 1), STEPS] if due else [STEPS]


@pytest.mark.parametrize(
    "settings", [Settings("static"), Settings("static", memorization_threshold=0.03), Settings(), Settings("escape")]
)
def test_the_device_makes_no_difference(testbed, far_model, build, settings):
    guider, trace = build(testbed, far_model, settings)
    _, _, samples = waits(guider, testbed)
    expected, run = testbed.guided(settings, MEMORIZED)
    assert torch.equal(samples, expected)
    for name, values in run.series.items():
        torch.testing.assert_close(trace.runs[0].quantity(name), values, rtol=0, atol=0, equal_nan=True)
