"""Remake the pictures that show the running application: make thumbnails.

They are the workflows' thumbnails and web/docs/live-curve.png, the curve on its node: in the classic canvas during a
run, and in Nodes 2.0 after one. The grey line is the run before, which was not mitigated.
"""

import io
import tempfile
from pathlib import Path

from PIL import Image

from ..tests.browser.conftest import chromium, load, open_application, queue
from ..tests.support.server import ComfyUIServer
from .pack import ROOT

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
ZOOM = 1.5
PLACE_GUIDER = """([zoom, steps]) => {
    const nodes = Object.fromEntries(app.graph._nodes.map(node => [node.type, node]));
    nodes.BasicScheduler.widgets.find(widget => widget.name === "steps").value = steps;
    const guider = nodes.BasinEscapeGuider;
    app.canvas.ds.scale = zoom;
    app.canvas.ds.offset = [100 - guider.pos[0], 100 - guider.pos[1]];
    app.canvas.setDirty(true, true);
}"""
GUIDER_BOX = """zoom => {
    const { pos, size } = app.graph._nodes.find(node => node.type === "BasinEscapeGuider");
    const [x, y] = [0, 1].map(k => (pos[k] + app.canvas.ds.offset[k]) * zoom);
    return { x: x - 12, y: y - 34 * zoom, width: size[0] * zoom + 24, height: (size[1] + 34) * zoom + 12 };
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


def curve_picture(page, server, nodes_2, steps, shown):
    """The guider without mitigation and then with it, once `shown` of `steps` steps are on it."""
    page.evaluate("on => app.extensionManager.setting.set('Comfy.VueNodes.Enabled', on)", nodes_2)
    load(page, "testbed_guider")
    page.evaluate(PLACE_GUIDER, [ZOOM, steps])
    page.evaluate("app.extensionManager.command.execute('BasinEscape.QueueBoth')")
    canvas = "document.querySelector('.basin-escape-curve canvas')"
    for words, least in (("without: ", steps), ("with: ", shown)):
        page.wait_for_function(
            f"([words, least]) => {canvas}.ariaLabel?.startsWith(words) && {canvas}.dataset.steps >= least",
            arg=[words, least],
            timeout=180_000,
        )
    if shown == steps:
        page.wait_for_timeout(1000)
    picture = page.screenshot(clip=page.evaluate(GUIDER_BOX, ZOOM))
    server.wait_until_idle()
    return Image.open(io.BytesIO(picture)).convert("RGB")


def side_by_side(left, right):
    whole = Image.new("RGB", (left.width + right.width, max(left.height, right.height)), left.getpixel((0, 0)))
    whole.paste(left, (0, 0))
    whole.paste(right, (left.width, 0))
    return whole


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
            during = curve_picture(page, server, nodes_2=False, steps=200, shown=90)
            after = curve_picture(page, server, nodes_2=True, steps=50, shown=50)
            side_by_side(during, after).save(ROOT / "web" / "docs" / "live-curve.png", optimize=True)
            page.evaluate("app.extensionManager.setting.set('Comfy.VueNodes.Enabled', false)")
            for path in sorted((ROOT / "workflows").glob("*.json")):
                image = picture(page, server, path.stem)
                size = WIDTH, round(WIDTH * image.height / image.width)
                image.resize(size, Image.Resampling.LANCZOS).save(path.with_suffix(".jpg"), quality=85)
    finally:
        server.stop()
