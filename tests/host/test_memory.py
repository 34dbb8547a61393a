"""What is left when runs have ended, found by walking every reference."""

import gc
import sys
import types

import comfy.samplers
import pytest
import torch
from basin_escape.samplers.fingerprint import PLACES
from basin_escape.samplers.host.guider import BasinEscapeCFGGuider
from basin_escape.samplers.host.patch import WrappersMP, patch_model
from basin_escape.samplers.settings import Settings
from basin_escape.samplers.trace import RUNS_KEPT, GuidanceTrace
from basin_escape.tests.support.gaussian import load_gaussian, prompt

from .conftest import run_guider

SETTINGS = Settings("dynamic", "opposite guidance", memorization_threshold=0.001)
STEPS, BATCH, SHAPE = 4, 2, (4, 8, 8)


@pytest.fixture(scope="module")
def model():
    return load_gaussian(SHAPE)


def guider_with_trace(model):
    guider = BasinEscapeCFGGuider(model, SETTINGS, GuidanceTrace())
    guider.set_conds(prompt(0.5), prompt(-0.5), prompt(0.0))
    guider.set_cfg(7.5)
    return guider, guider.trace


def patch_with_trace(model):
    guider = comfy.samplers.CFGGuider(patch_model(model, SETTINGS, trace := GuidanceTrace()))
    guider.set_conds(prompt(0.5), prompt(-0.5))
    guider.set_cfg(7.5)
    return guider, trace


BOTH = pytest.mark.parametrize("build", [patch_with_trace, guider_with_trace])


def sample(guider, runs=1):
    for _ in range(runs):
        run_guider(guider, torch.ones(BATCH, *SHAPE), STEPS)


def alive():
    """Number of Python objects, and elements in tensors."""
    gc.collect()
    objects = gc.get_objects()
    return len(objects), sum(value.numel() for value in objects if issubclass(type(value), torch.Tensor))


def growth(guider):
    """Between the hundredth and the three hundredth run."""
    sample(guider, runs=100)
    objects, elements = alive()
    sample(guider, runs=200)
    more_objects, more_elements = alive()
    return more_objects - objects, more_elements - elements


@BOTH
def test_300_runs_leave_no_more_behind_than_the_host_does(model, build):
    """Newer hosts keep a few objects for every run of a model that is a clone, patched or not."""
    stock = comfy.samplers.CFGGuider(model.clone() if build is patch_with_trace else model)
    stock.set_conds(prompt(0.5), prompt(-0.5))
    hosts_own, _ = growth(stock)
    guider, trace = build(model)
    objects, elements = growth(guider)
    assert objects - hosts_own < 20 and elements == 0
    assert len(trace.runs) == RUNS_KEPT


def reachable(*roots):
    """Everything that the roots keep alive: functions by what they close over, classes and modules not."""
    seen, queue = {}, list(roots)
    while queue:
        value = queue.pop()
        if id(value) in seen or isinstance(value, (type, types.ModuleType)):
            continue
        seen[id(value)] = value
        if isinstance(value, types.FunctionType):
            queue += [cell.cell_contents for cell in value.__closure__ or ()] + list(value.__defaults__ or ())
        else:
            queue += gc.get_referents(value)
    return list(seen.values())


def assert_numbers_only(*roots):
    """Nothing but seven numbers per sample and step, and by which a latent is known, outlives a run: no latents, no
    model, no arguments of a hook."""
    values = reachable(*roots)
    tensors = [value for value in values if isinstance(value, torch.Tensor)]
    assert tensors and all(tensor.device.type == "cpu" for tensor in tensors)
    assert all(tensor.untyped_storage().nbytes() <= 4 * BATCH * max(7 * STEPS, PLACES) for tensor in tensors)
    assert not any(tensor.requires_grad for tensor in tensors)
    assert not any(isinstance(value, torch.nn.Module) or hasattr(value, "model_options") for value in values)


@BOTH
def test_the_trace_holds_numbers_only(model, build):
    guider, trace = build(model)
    sample(guider, runs=2)
    assert_numbers_only(trace)


def test_the_patch_holds_numbers_only(model):
    guider, trace = patch_with_trace(model)
    sample(guider, runs=2)
    patched = guider.model_patcher
    if WrappersMP is None:
        hooks = patched.model_options["sampler_post_cfg_function"][-1:]
    else:
        (hooks,) = patched.wrappers[WrappersMP.OUTER_SAMPLE].values()
        assert not [key for key in patched.model_options["transformer_options"] if key.startswith("basin_escape")]
    assert_numbers_only(*hooks)
    assert any(value is trace for value in reachable(*hooks))


@pytest.mark.parametrize(
    ("settings", "size"),
    [(SETTINGS, 40), (Settings("escape"), 44), (Settings("never", "orthogonal guidance"), 48), (Settings("off"), 40)],
)
def test_a_trace_holds_as_many_bytes_for_each_image_and_step_as_readme_says(model, settings, size):
    guider = BasinEscapeCFGGuider(model, settings, GuidanceTrace())
    guider.set_conds(prompt(0.5), prompt(-0.5))
    guider.set_cfg(7.5)
    sample(guider)
    (run,) = guider.trace.runs
    storages = [values.untyped_storage() for values in run.series.values()]
    held = sum({storage.data_ptr(): storage.nbytes() for storage in storages}.values())
    assert run.steps == STEPS and held == size * STEPS * BATCH


def test_modules_and_nodes_hold_no_tensors_and_no_models():
    """What is there for as long as the server runs."""
    folders = ("basin_escape.samplers.", "basin_escape.nodes.")
    modules = [module for name, module in sys.modules.items() if name.startswith(folders)]
    assert len(modules) > 12
    held = [value for module in modules for name, value in vars(module).items() if not name.startswith("__")]
    nodes = [value for value in held if isinstance(value, type)]
    held += [value for node in nodes for name, value in vars(node).items() if not name.startswith("__")]
    for value in held:
        assert not isinstance(value, (torch.Tensor, torch.nn.Module)) and not hasattr(value, "model_options"), value
