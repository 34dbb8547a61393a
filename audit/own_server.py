"""A ComfyUI of one's own: started here, on a free port of this machine, and gone with the process that started it."""

import contextlib
import os
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from .server import Server
from .web import ServerFailed

CHILD = Path(__file__).with_name("child.py")
THREADS = "OMP_NUM_THREADS"
TOLD = 1000  # characters of what a server said that did not start
END_SECONDS = 10


@dataclass(frozen=True)
class Checkout:
    """path: its folder; python: what runs it, None for the Python that asks; arguments: more of ComfyUI's own.

    threads: OMP_NUM_THREADS of whoever calls the audit, as Ray sets another one where it starts something.
    """

    path: Path
    python: str | None
    arguments: tuple[str, ...]
    threads: str | None


class OwnServer(Server):
    """Begun by the constructor; `wait` for it. Its pictures and its log are in a folder that goes with it.

    Raises ServerFailed where there is no such checkout or Python.
    """

    def __init__(self, checkout: Checkout):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = str(probe.getsockname()[1])
        super().__init__(f"http://127.0.0.1:{port}")
        self.checkout = checkout
        self.folder = tempfile.TemporaryDirectory(prefix="audit-", ignore_cleanup_errors=True)
        self.log = Path(self.folder.name, "comfyui.log")
        # Several servers of a checkout share neither their temp folder, which each empties, nor the database.
        own = ["--port", port, "--temp-directory", self.folder.name, "--database-url", "sqlite:///:memory:"]
        command = [checkout.python or sys.executable, str(CHILD), self.folder.name, "main.py", *own]
        environment = {name: value for name, value in os.environ.items() if name != THREADS}
        if checkout.threads is not None:
            environment[THREADS] = checkout.threads
        try:
            with self.log.open("wb") as log:
                self.process = subprocess.Popen(
                    [*command, *checkout.arguments],
                    cwd=checkout.path,
                    env=environment,
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
        except OSError as error:
            raise ServerFailed(f"no ComfyUI can be started on {socket.gethostname()}: {error}") from error

    def ended(self) -> bool:
        return self.process.poll() is not None

    def wait(self, seconds: float) -> None:
        """Until it answers. Raises ServerFailed, with what it said, where it ends before, or takes longer."""
        deadline = time.monotonic() + seconds
        while self.ended() or not self.answers():
            if self.ended() or time.monotonic() > deadline:
                said = self.log.read_text(errors="replace").strip()[-TOLD:] or "it said nothing"
                self.end()
                where = f"{self.checkout.path} on {socket.gethostname()}"
                raise ServerFailed(f"ComfyUI in {where} did not start: {said}")
            time.sleep(0.2)

    def end(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(END_SECONDS)
        self.process.kill()
        self.process.wait()
        self.folder.cleanup()
