import pytest
from comfyui_server import ComfyUIServer


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    comfyui = ComfyUIServer(tmp_path_factory.mktemp("comfyui"))
    yield comfyui
    comfyui.stop()
