"""Load the pack the way ComfyUI does, before any test imports from it; start a ComfyUI for the tests that ask."""

import hypothesis
import pytest
import torch
from pack import load_pack

load_pack()
torch.set_num_threads(1)  # the models are small: the tests run beside one another instead
hypothesis.settings.register_profile("untimed", deadline=None)
hypothesis.settings.load_profile("untimed")


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    from basin_escape.tests.support.server import ComfyUIServer

    comfyui = ComfyUIServer(tmp_path_factory.mktemp("comfyui"))
    yield comfyui
    comfyui.stop()
