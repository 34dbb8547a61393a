"""Basin Escape (set for me): which family a model is of, and that it does what the model patch does."""

import comfy.supported_models
import pytest
import torch
from basin_escape.benchmarks.measure import NODES
from basin_escape.nodes.for_model import settings_for
from basin_escape.samplers.host.family import family_of

from .conftest import MEMORIZED

FAMILIES = {
    "SD15": "Stable Diffusion 1.x",
    "SD20": "Stable Diffusion 2.x",
    "SD21UnclipL": "Stable Diffusion 2.x",
    "SDXL": "SDXL",
    "SSD1B": "SDXL",
    "SDXLRefiner": "SDXL",
    "SD3": "Stable Diffusion 3",
    "Flux": "guidance-distilled model (Flux and the like)",
    "FluxSchnell": "guidance-distilled model (Flux and the like)",
    "SVD_img2vid": "video model whose frames are a batch",
    "WAN21_I2V": "video model",
    "AuraFlow": "model of another family",
}


class Model:
    """As much of a ModelPatcher as tells its family."""

    def __init__(self, config):
        self.model = self
        self.model_config = config


def family(name):
    if not hasattr(comfy.supported_models, name):
        pytest.skip("this host has no such model")
    kind = getattr(comfy.supported_models, name)
    return family_of(Model(kind({**kind.unet_config})))


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_is_told_by_the_hosts_class(name):
    assert family(name).name == FAMILIES[name]


def test_what_is_set_for_a_family():
    settings, text = settings_for(family("SD15"), "one.safetensors")
    assert (settings.transition, settings.before_transition) == ("never", "orthogonal guidance")
    assert settings.memorization_threshold == 0.012
    assert "plain CFG below 0.012 RMS" in text and "starting value" in text
    for name in ("SD20", "SDXL", "SD3"):
        settings, text = settings_for(family(name), "")
        assert settings.mitigates and settings.memorization_threshold == 0 and "no threshold" in text
    settings, text = settings_for(family("Flux"), "flux.safetensors")
    assert not settings.mitigates and "mitigation off" in text and "cfg is 1" in text


def test_it_is_the_model_patch_with_its_defaults(testbed):
    model, _, text = NODES["BasinEscapeForModel"]().patch(testbed.model)
    stock = NODES["BasinEscapeModelPatch"]().patch(
        testbed.model, transition="never", before_transition="orthogonal guidance"
    )[0]
    assert text.startswith("memorization testbed of this pack: orthogonal guidance, transition never, repulsion 0.07")
    assert torch.equal(testbed.stock(MEMORIZED, model=model), testbed.stock(MEMORIZED, model=stock))


def test_off_is_stock(testbed):
    model, trace, text = NODES["BasinEscapeForModel"]().patch(testbed.model, transition="off")
    assert torch.equal(testbed.stock(MEMORIZED, model=model), testbed.stock(MEMORIZED))
    assert text == "off: plain CFG" and trace.runs[-1].status.kind == "off"
