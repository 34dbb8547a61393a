"""Load the pack the way ComfyUI does, before any test imports from it; start a ComfyUI for the tests that ask."""

import pytest
from pack import load_pack

load_pack()


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    from comfyui_server import ComfyUIServer

    comfyui = ComfyUIServer(tmp_path_factory.mktemp("comfyui"))
    yield comfyui
    comfyui.stop()
