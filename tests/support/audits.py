"""Audits of a few prompts in a folder of their own, and what came of them."""

import contextlib
import csv
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import psutil
from basin_escape.audit.options import parse
from basin_escape.audit.run import audit
from basin_escape.tests.support.fake_comfyui import WORKFLOW
from basin_escape.tools.pack import ROOT

PROMPTS = ["a memorized picture", "a red house", "a broken boat", "a memorized tree", "a nan cloud", "a refused lake"]
ORDINARY = [f"ordinary {number}" for number in range(20)]
SLOW = 60.0  # seconds: after which a test gives up


class Audit:
    """An audit in `folder` on these servers: run it here, or as a process."""

    def __init__(self, folder: Path, *servers: str, prompts: list[str] = PROMPTS, options: tuple[str, ...] = ()):
        self.out = folder / "out"
        lists = {"prompts.txt": "\n".join(prompts), "ordinary.txt": "\n".join(ORDINARY)}
        for name, text in {**lists, "workflow.json": json.dumps(WORKFLOW)}.items():
            (folder / name).write_text(text, encoding="utf-8")
        self.arguments = [str(folder / "prompts.txt"), "--workflow", str(folder / "workflow.json")]
        self.arguments += ["--out", str(self.out), "--ordinary", str(folder / "ordinary.txt"), "--seeds", "3"]
        self.arguments += ["--patience", "0", *options]
        for server in servers:
            self.arguments += ["--server", server]

    def run(self, *more: str) -> bool:
        return audit(parse([*self.arguments, *more]))

    def command(self, *more: str) -> list[str]:
        return [sys.executable, "-m", "audit", *self.arguments, *more]

    def start(self, *more: str, **options) -> subprocess.Popen:
        return subprocess.Popen(self.command(*more), cwd=ROOT, stderr=subprocess.PIPE, text=True, **options)

    def tables(self) -> dict[str, str]:
        return {name: (self.out / name).read_text(encoding="utf-8") for name in ("prompts.csv", "seeds.csv")}

    def rows(self) -> list[dict[str, str]]:
        with (self.out / "prompts.csv").open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))


def undisturbed(folder: Path, url: str, **options) -> dict[str, str]:
    """The tables of the same audit by one server that does nothing wrong."""
    folder.mkdir()
    audit = Audit(folder, url, **options)
    audit.run()
    return audit.tables()


def with_in_command(process: psutil.Process, fits: Callable[[str], bool]) -> list[psutil.Process]:
    """What a process has started, and is still running, with such a part in its command."""
    found = []
    for child in process.children(recursive=True):
        with contextlib.suppress(psutil.Error):
            found += [child] if any(map(fits, child.cmdline())) else []
    return found


def workers_of(process: psutil.Process) -> list[psutil.Process]:
    """The processes that Ray runs a task in."""
    return with_in_command(process, lambda part: "ray::examine" in part)


@contextlib.contextmanager
def ended(process: subprocess.Popen):
    """Whatever happens, the process is no more."""
    with process:
        try:
            yield process
        finally:
            process.kill()
