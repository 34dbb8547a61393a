"""Remake the thumbnails of the workflows from the running application: make thumbnails."""

import io
import sys
import tempfile
from pathlib import Path

sys.path += [str(Path(__file__).parents[1]), str(Path(__file__).parents[2] / "benchmarks")]

from comfyui_server import ComfyUIServer
from conftest import chromium, load, open_application, queue
from pack import ROOT
from PIL import Image

WIDTH = 1200
FIT = """() => {
    const nodes = app.graph._nodes.filter(node => node.type !== "MarkdownNote");
    const low = k => Math.min(...nodes.map(node => node.pos[k])) - 20 - 30 * k;
    const high = k => Math.max(...nodes.map(node => node.pos[k] + node.size[k])) + 20;
    const [x, y, width, height] = [low(0), low(1), high(0) - low(0), high(1) - low(1)];
    const scale = Math.min(innerWidth / width, innerHeight / height);
    app.canvas.ds.scale = scale;
    app.canvas.ds.offset = [-x, -y];
    app.canvas.setDirty(true, true);
    return [width * scale, height * scale];
}"""
SETTINGS = {"Comfy.VueNodes.Enabled": False, "Comfy.TutorialCompleted": True, "Comfy.Minimap.Visible": False}


def picture(page, server, name):
    """The graph alone, after a run where it needs no checkpoint."""
    load(page, name)
    if name.startswith("testbed"):
        queue(page, server)
        page.wait_for_timeout(8000)  # until the notice that the job is completed has gone
    page.evaluate("app.extensionManager.command.execute('Workspace.ToggleFocusMode')")
    page.wait_for_timeout(500)
    width, height = page.evaluate(FIT)
    page.wait_for_timeout(1000)
    shot = page.screenshot(clip={"x": 0, "y": 0, "width": width, "height": height})
    page.evaluate("app.extensionManager.command.execute('Workspace.ToggleFocusMode')")
    return Image.open(io.BytesIO(shot)).convert("RGB")


def main():
    server = ComfyUIServer(Path(tempfile.mkdtemp()))
    checkpoints = server.base / "models" / "checkpoints"
    checkpoints.mkdir(parents=True)
    (checkpoints / "v1-5-pruned-emaonly-fp16.safetensors").touch()  # a name to show: nothing is loaded
    try:
        for setting, value in SETTINGS.items():
            server.post(f"/settings/{setting}", value)
        with chromium() as browser:
            page = browser.new_page(viewport={"width": 2400, "height": 1400})
            open_application(page, server)
            for path in sorted((ROOT / "workflows").glob("*.json")):
                image = picture(page, server, path.stem)
                size = WIDTH, round(WIDTH * image.height / image.width)
                image.resize(size, Image.Resampling.LANCZOS).save(path.with_suffix(".jpg"), quality=85)
    finally:
        server.stop()


if __name__ == "__main__":
    main()
