"""Compiled models, and models on two cards at once (`make test-gpu`)."""

import pytest
import torch
from basin_escape.samplers.host.patch import patch_model
from basin_escape.samplers.settings import Settings
from basin_escape.samplers.trace import GuidanceTrace
from basin_escape.tests.support.families import load_family
from basin_escape.tests.support.family_runs import Family

ON, OFF, GATED = Settings("never", "orthogonal guidance"), Settings("off"), Settings(memorization_threshold=1.0)
CARD = torch.cuda.is_available()


def check(family, model):
    """Off and gated are this model's stock, and mitigation is what it is on the plain model, up to rounding."""
    expected = family.under(model)[0][0]
    for settings in (OFF, GATED):
        assert torch.equal(family.under(patch_model(model, settings, GuidanceTrace()))[0][0], expected)
    made, plain = (family.under(patch_model(one, ON, GuidanceTrace()))[0][0] for one in (model, family.model))
    torch.testing.assert_close(made, plain, rtol=0.02, atol=0.02)
    assert not torch.equal(made, expected)


@pytest.mark.nightly
@pytest.mark.parametrize("name", ["SD3", "Wan"])
def test_a_compiled_model(name):
    helpers = pytest.importorskip("comfy_api.torch_helpers", reason="needs a ComfyUI that compiles models")
    family = Family(name)
    compiled = family.model.clone()
    helpers.set_torch_compile_wrapper(compiled, backend="inductor" if CARD else "eager")
    check(family, compiled)


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two cards")
def test_a_model_on_two_cards():
    multigpu = pytest.importorskip("comfy.multigpu", reason="needs a ComfyUI that splits the predictions")
    family = Family("SD1.x")
    family.model.cached_patcher_init = (load_family, ("SD1.x",))
    check(family, multigpu.create_multigpu_deepclones(family.model, 2))
