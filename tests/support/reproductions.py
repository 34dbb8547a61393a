"""Reproductions of a few prompts in a folder of their own, on a server that answers from a formula."""

import csv
import json
from pathlib import Path

from basin_escape.audit.reproduce.options import parse
from basin_escape.audit.reproduce.run import reproduce
from basin_escape.nodes import NODE_CLASS_MAPPINGS
from basin_escape.tests.support.fake_comfyui import FakeComfyUI, picture_bytes

CAPTIONS = {"a memorized boat": "VM", "a memorized (red) tree": "TM", "a memorized house": "VM"}
ORDINARY = ["a quiet lake", "calibration one", "a green hill", "calibration two"]
PIXELS = "pixels"


class FakeReproducer(FakeComfyUI):
    """Without a method, "memorized" prompts give their own picture from every seed; all else gives noise of its own."""

    def __init__(self, broken: str = "no such node", **options):
        super().__init__(**options)
        self.broken = broken
        self.made: list[tuple[str, int, str]] = []

    def info(self, class_type):
        known = NODE_CLASS_MAPPINGS.get(class_type)
        return {"input": known.INPUT_TYPES()} if known else {"input": {}}

    def queue(self, graph):
        text = next(node["inputs"]["text"] for node in graph.values() if node["inputs"].get("text"))
        seed = graph["noise"]["inputs"]["noise_seed"]
        method = json.dumps([node for key, node in sorted(graph.items()) if key.startswith("method_")])
        self.made.append((text, seed, method))
        answer = super().queue({"6": {"class_type": "x", "inputs": {"text": text, "seed": seed}}})
        entry = self.begun[answer["prompt_id"]][1]
        if self.broken in method:
            details = {"node_type": self.broken, "exception_message": "no cross-attention"}
            entry["status"] = {"status_str": "error", "messages": [["execution_error", details]]}
        key = text if method == "[]" and "memorized" in text else f"{text} {seed} {method}"
        entry["outputs"] = {"picture": {"images": [{"filename": key, "subfolder": "", "type": "temp"}]}}
        return answer


class Reproduction:
    """In `folder`, with training images for all but the last memorized prompt."""

    def __init__(self, folder: Path, *servers: str, captions: dict[str, str] = CAPTIONS):
        self.out = folder / "out"
        images = folder / "images"
        images.mkdir(parents=True)
        rows = [
            [place, caption, "http://x", kind, 100 + place] for place, (caption, kind) in enumerate(captions.items())
        ]
        with (folder / "list.csv").open("w", newline="") as file:
            csv.writer(file, delimiter=";").writerows([["", "Caption", "URL", "type", "Index"], *rows])
        for place, caption in list(enumerate(captions))[:-1]:
            escaped = caption.replace("(", "\\(").replace(")", "\\)")
            (images / f"{100 + place}.png").write_bytes(picture_bytes(escaped))
        (folder / "ordinary.txt").write_text("\n".join(ORDINARY))
        self.arguments = [str(folder / "list.csv"), "--training-images", str(images), "--checkpoint", "x"]
        self.arguments += ["--out", str(self.out), "--ordinary", str(folder / "ordinary.txt"), "--patience", "0"]
        self.arguments += [part for server in servers for part in ("--server", server)]

    def run(self, *more: str) -> bool:
        return reproduce(parse([*self.arguments, *more]))

    def page(self) -> str:
        return (self.out / "index.html").read_text(encoding="utf-8")

    def state(self) -> dict:
        return json.loads((self.out / "table.json").read_text())["state"]

    def rows(self, group: str = "all memorized prompts", measure: str = PIXELS) -> dict[str, dict]:
        """By method."""
        tables = json.loads((self.out / "table.json").read_text())["tables"]
        found = [table["rows"] for table in tables if (table["group"], table["measure"]) == (group, measure)]
        return {row["method"]: row for row in found[0]} if found else {}
