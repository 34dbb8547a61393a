"""A folder that is started as a ComfyUI is, and answers as FakeComfyUI does."""

from pathlib import Path

import psutil

MAIN = """
import argparse, os, subprocess, sys, threading
sys.path.append({support!r})
from fake_comfyui import FakeComfyUI

parser = argparse.ArgumentParser()
parser.add_argument("--port", type=int)
parser.add_argument("--temp-directory")
parser.add_argument("--database-url")
parser.add_argument("--cpu", action="store_true")
parser.add_argument("--seconds", type=float, default=0.0)
options = parser.parse_args()
helper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])
log = os.path.join({folder!r}, f"{{os.getpid()}}.started")

def ran(handler, path):
    if path == "/prompt":
        with open(log, "a") as file:
            file.write("prompt\\n")
    return False

with open(log, "w") as file:  # before it answers
    file.write(f"{{helper.pid}} {{options.temp_directory}}\\n")
FakeComfyUI(ran, options.seconds, options.port)
threading.Event().wait()
"""


class FakeCheckout:
    """Its server has a process of its own, as custom nodes do. --seconds: what a prompt takes."""

    def __init__(self, path: Path):
        self.path = path
        path.mkdir()
        support = str(Path(__file__).parent)
        (path / "main.py").write_text(MAIN.format(support=support, folder=str(path)), encoding="utf-8")

    def started(self) -> dict[int, list[str]]:
        """The numbers of all servers that were ever up, and what each told: its helper and folder, its prompts."""
        found = {int(path.stem): path.read_text().splitlines() for path in self.path.glob("*.started")}
        return {number: told for number, told in found.items() if told}

    def left(self) -> list[int | str]:
        """What there still is of them: processes and folders."""
        found: list[int | str] = []
        for number, (first, *_) in self.started().items():
            helper, folder = first.split(" ", 1)
            found += [each for each in (number, int(helper)) if runs(each)]
            found += [folder] if Path(folder).exists() else []
        return found


def runs(number: int) -> bool:
    """Whether a process is there, and no zombie."""
    try:
        return psutil.Process(number).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
