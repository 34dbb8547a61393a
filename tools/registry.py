"""`make registry`: the pack as the registry's own tool, comfy-cli, sees it, in an environment that is thrown away.

It reads pyproject.toml by the registry's schema and only warns of what it would leave out; here a warning is an error.
Its archive has to be that of `make archive`. Nothing is sent.
"""

import os
import subprocess
import sys
import tempfile
import venv
import zipfile
from pathlib import Path

from archive import ROOT, files

TOOL, ARCHIVE = "comfy-cli==1.23.0", ROOT / "node.zip"


def run(*command: str | Path) -> str:
    """What a command says. Ends with that text where it fails."""
    quiet = {**os.environ, "DO_NOT_TRACK": "1"}
    done = subprocess.run(command, cwd=ROOT, env=quiet, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        sys.exit(done.stdout)
    return done.stdout


def check(comfy: Path) -> None:
    said = run(comfy, "--skip-prompt", "node", "validate")
    if "warning" in said.lower():
        sys.exit(said)
    try:
        run(comfy, "--skip-prompt", "node", "pack")
        packed = set(zipfile.ZipFile(ARCHIVE).namelist())
    finally:
        ARCHIVE.unlink(missing_ok=True)
    if different := packed ^ set(files()):
        sys.exit(f"in one archive and not in the other: {', '.join(sorted(different))}")
    print(f"valid by {TOOL}; its archive has the same {len(packed)} files")


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        binaries = Path(folder) / ("Scripts" if os.name == "nt" else "bin")
        run(binaries / "python", "-m", "pip", "install", "--quiet", TOOL)
        check(binaries / "comfy")


if __name__ == "__main__":
    main()
