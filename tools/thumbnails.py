"""Remake the pictures that show the running application: make thumbnails.

- The workflows' thumbnails: the same picture without and with mitigation, or the first and last one of the sweep.
- docs/page-*.png: the first workflow in the page, in either renderer, after a run.
- web/docs/live-curve.png: the curve on its node, in the classic canvas during a run, in Nodes 2.0 after one; the grey
  line is the run before, which was not mitigated.
"""

import copy
import io
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps

from ..tests.browser.conftest import chromium, load, open_application, run_anew
from ..tests.server.conftest import as_testbed, node, pictures, run
from ..tests.server.conftest import load as load_prompt
from ..tests.support.server import ComfyUIServer
from ..tests.support.workflows import FILES, read_workflow
from .pack import ROOT

SIDE, BAR, GAP = 384, 52, 12  # pixels of a thumbnail: a picture, the word below it, what is between two of them
PAPER, INK = "#202124", "#ffffff"
# The node whose first picture is shown. The slider's two pictures are those of the first workflow.
SHOWN = {
    "testbed_model_patch": "With: new pictures",
    "testbed_slider": "With: new pictures",
    "sd15_drop_in": "The picture",
    "testbed_learned": "With: new pictures",
    "testbed_guider": "With: new pictures",
    "testbed_static_point": "Prompt 1, guided from that point on",
}
# Two nodes of one run, and a word for each.
PAIRS = {
    "testbed_detect": {"memorized: new": "Memorized: mitigated", "ordinary: as it was": "Ordinary: plain CFG"},
    "testbed_prompt_methods": {"plain": "Plain CFG", "words added": "Random words"},
    "testbed_noise_methods": {"increasing CFG": "Guidance that increases", "orthogonal": "Orthogonal guidance"},
    "testbed_attention_methods": {"attention": "First token, no padding", "GUARD": "GUARD"},
    "testbed_maps": {"picture": "The pictures", "map": "Memorization map"},
    "testbed_gradients": {"noise adjusted": "Noise adjusted per image", "prompt moved": "Prompt moved"},
    "testbed_audit": {"without": "Without mitigation", "with": "With mitigation"},
    "testbed_similarity": {"plain CFG": "Plain CFG", "orthogonal": "Orthogonal guidance"},
}
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


def thumbnail(server, name):
    if name == "testbed_sweep":
        images = outputs_of(server, load_prompt(name, server), "PreviewImage", name)
        return compose({"early": images[0], "late": images[-1]})
    if name in PAIRS:
        outputs = run(server, load_prompt(name, server))[2]
        return compose({word: shown_by(server, outputs, title, name)[0] for word, title in PAIRS[name].items()})
    source = "testbed_model_patch" if name == "testbed_slider" else name
    prompt = load_prompt(source, server)
    prompt = as_scenes(as_testbed(prompt)) if source == "sd15_drop_in" else prompt
    words = {"without": without(prompt), "with": prompt}
    parts = {word: outputs_of(server, entry, SHOWN[name], source)[0] for word, entry in words.items()}
    return slider(*parts.values()) if name == "testbed_slider" else compose(parts)


def as_scenes(prompt):
    """A picture that a person knows, in the place of a checkpoint's."""
    changes = {
        "LoadMemorizationTestbed": {"variant": "scenes"},
        "EmptyLatentImage": {"width": 256, "height": 256},
        "CLIPTextEncode": {"text": "vigil, a white lighthouse"},
    }
    for kind, values in changes.items():
        prompt[node(prompt, kind)]["inputs"].update(values)
    return prompt


def slider(before, after):
    """Half of each picture, and the handle between them."""
    whole = compose({"slide": np.where(np.arange(before.shape[1])[:, None] < before.shape[1] // 2, before, after)})
    whole = whole.crop((0, 0, SIDE, SIDE + BAR))
    draw = ImageDraw.Draw(whole)
    draw.line((SIDE / 2, 0, SIDE / 2, SIDE), INK, 4)
    draw.ellipse((SIDE / 2 - 16, SIDE / 2 - 16, SIDE / 2 + 16, SIDE / 2 + 16), INK)
    return whole


def without(prompt):
    """The prompt with mitigation off, and so without the search for a static point."""
    off = copy.deepcopy(prompt)
    points = [key for key, entry in off.items() if entry["class_type"] == "EstimateStaticTransition"]
    links = [[key, 0] for key in points]
    for entry in off.values():
        inputs = entry["inputs"]
        inputs |= {"transition": "off"} if "transition" in inputs else {}
        inputs |= {name: 0.5 for name, value in inputs.items() if value in links}
    return {key: entry for key, entry in off.items() if key not in points}


def outputs_of(server, prompt, title, name):
    """The pictures of the node of that title or type, after a run."""
    return shown_by(server, run(server, prompt)[2], title, name)


def shown_by(server, outputs, title, name):
    (key,) = [str(n["id"]) for n in read_workflow(name)["nodes"] if title in (n.get("title"), n["type"])]
    return pictures(server, outputs[key])


def compose(parts):
    """Pictures [side, side, 3] side by side, each above its word."""
    whole = Image.new("RGB", (2 * SIDE + GAP, SIDE + BAR), PAPER)
    draw, font = ImageDraw.Draw(whole), ImageFont.load_default(32)
    for k, (word, pixels) in enumerate(parts.items()):
        left = k * (SIDE + GAP)
        picture = Image.fromarray((255 * pixels).round().astype(np.uint8))
        whole.paste(ImageOps.pad(picture, (SIDE, SIDE), Image.Resampling.NEAREST, PAPER), (left, 0))
        draw.text((left + SIDE / 2, SIDE + BAR / 2), word, INK, font, anchor="mm")
    return whole


def page_picture(page, nodes_2):
    """The first workflow after a run with previews, as it opens."""
    page.evaluate("on => app.extensionManager.setting.set('Comfy.VueNodes.Enabled', on)", nodes_2)
    page.wait_for_timeout(1000)
    load(page, "testbed_model_patch")
    run_anew(page, page.server)
    page.wait_for_timeout(9000)  # until the notice that the job is completed has gone
    return Image.open(io.BytesIO(page.screenshot())).convert("RGB")


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


def application_pictures(server):
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 1600, "height": 1000})
        page.server = server
        open_application(page, server)
        for renderer, nodes_2 in (("canvas", False), ("nodes-2", True)):
            page_picture(page, nodes_2).save(ROOT / "docs" / f"page-{renderer}.png", optimize=True)
        page.set_viewport_size({"width": 2400, "height": 1400})
        during = curve_picture(page, server, nodes_2=False, steps=200, shown=90)
        after = curve_picture(page, server, nodes_2=True, steps=50, shown=50)
        side_by_side(during, after).save(ROOT / "web" / "docs" / "live-curve.png", optimize=True)


def main():
    server = ComfyUIServer(Path(tempfile.mkdtemp()))
    try:
        for setting, value in SETTINGS.items():
            server.post(f"/settings/{setting}", value)
        application_pictures(server)
        for name, file in FILES.items():
            thumbnail(server, name).save(ROOT / "workflows" / f"{file}.jpg", quality=90)
    finally:
        server.stop()
