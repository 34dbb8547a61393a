"""`make archive`: what the registry serves to users, as output/basin-escape-VERSION.zip, and its size.

The registry's own tool packs what git tracks without what .comfyignore names, in the syntax of .gitignore. So does
this, with git alone; `make registry` compares the two.
"""

import subprocess
import sys
import zipfile
from pathlib import Path

import tomllib

ROOT = Path(__file__).resolve().parent.parent
LIMIT = 8_000_000  # bytes; six of them are the two trained testbeds


def version() -> str:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]


def files() -> list[str]:
    """Paths in the archive, relative to the root."""
    ignored = tracked("--ignored", "--exclude-from=.comfyignore")
    return sorted(set(tracked()) - set(ignored))


def tracked(*options: str) -> list[str]:
    command = ["git", "ls-files", "-z", "--cached", *options]
    found = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return found.split("\0")[:-1]


def write(path: Path) -> int:
    """The size in bytes. ValueError above the limit, with what takes the space."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in files():
            archive.write(ROOT / name, name)
        largest = sorted(archive.infolist(), key=lambda entry: -entry.compress_size)[:5]
    size = path.stat().st_size
    if size > LIMIT:
        heavy = ", ".join(f"{entry.filename} {entry.compress_size}" for entry in largest)
        raise ValueError(f"the archive has {size} bytes, more than {LIMIT}: leave something out ({heavy})")
    return size


def main() -> None:
    if sys.argv[1:] == ["--version"]:
        return print(version())
    path = ROOT / "output" / f"basin-escape-{version()}.zip"
    size = write(path)
    print(f"{path.relative_to(ROOT)}: {len(files())} files, {size / 1e6:.2f} MB (limit {LIMIT / 1e6:g})")


if __name__ == "__main__":
    main()
