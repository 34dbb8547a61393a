"""Remake docs/audit.png: make audit-picture. An audit of the testbed's scenes on a ComfyUI, and its report."""

import csv
import json
import tempfile
from pathlib import Path

from ..audit.options import parse
from ..audit.run import audit
from ..nodes.preview import to_picture
from ..testbed.loader import TestbedVAE
from ..testbed.scenes.captions import ORDINARY_CAPTIONS
from ..testbed.scenes.loader import SCENES, load_scenes
from ..tests.browser.conftest import chromium
from ..tests.support.fake_comfyui import WORKFLOW
from ..tests.support.server import ComfyUIServer
from .pack import ROOT

MEMORIZED, ORDINARY = 4, 4  # prompts that are shown
MODEL = {"class_type": "LoadMemorizationTestbed", "inputs": {"variant": SCENES}}
SIZE = {"class_type": "EmptyLatentImage", "inputs": {"width": 256, "height": 256, "batch_size": 1}}


def prepared(folder: Path) -> list[str]:
    """The files of the audit in `folder`, and what it is called with: every other memorized prompt has a reference."""
    _, _, pictures, captions = load_scenes()
    with (folder / "prompts.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(("prompt", "references"))
        for number, caption in enumerate(captions[:MEMORIZED]):
            to_picture(TestbedVAE().decode(pictures[[number]])).save(folder / f"{number}.png")
            rows.writerow((caption, f"{number}.png" if number % 2 else ""))
        rows.writerows((caption, "") for caption in ORDINARY_CAPTIONS[:ORDINARY])
    (folder / "ordinary.txt").write_text("\n".join(ORDINARY_CAPTIONS), encoding="utf-8")
    (folder / "scenes.json").write_text(json.dumps({**WORKFLOW, "4": MODEL, "5": SIZE}), encoding="utf-8")
    files = ["--workflow", str(folder / "scenes.json"), "--ordinary", str(folder / "ordinary.txt")]
    return [str(folder / "prompts.csv"), *files, "--out", str(folder / "out"), "--box", "7"]


def main() -> None:
    folder = Path(tempfile.mkdtemp())
    (folder / "comfyui").mkdir()
    server = ComfyUIServer(folder / "comfyui")
    try:
        audit(parse([*prepared(folder), "--server", server.url]))
    finally:
        server.stop()
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 1420, "height": 930})
        page.goto((folder / "out" / "report" / "index.html").as_uri())
        page.wait_for_load_state("networkidle")
        page.screenshot(path=ROOT / "docs" / "audit.png")
