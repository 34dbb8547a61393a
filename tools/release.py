"""What has to be right before a version is released: `python tools/release.py v0.1.0 [notes.md]`.

Says all that is missing, and where to fill it in. With a second argument, writes the version's part of the changelog
there, for the release's page and for the registry.
"""

import re
import sys
from pathlib import Path

import tomllib

ROOT = Path(__file__).resolve().parent.parent
HEADING = re.compile(r"^## (\S+) - (\S+)$", re.MULTILINE)
ADDRESS = re.compile(r"https://github\.com/([\w.-]+/[\w.-]+?)")
FILL_IN = "fill it in, in pyproject.toml"


def metadata(text: str) -> dict:
    return tomllib.loads(text)


def changes(changelog: str) -> list[tuple[str, str, str]]:
    """Version, date (or "unreleased") and text of each part, newest first."""
    _, *parts = HEADING.split(changelog)
    return [(name, date, text.strip()) for name, date, text in zip(*[iter(parts)] * 3, strict=True)]


def missing(project: dict, changelog: str, tag: str) -> list[str]:
    """A sentence for each thing that keeps `tag` from being released."""
    version, comfy = project["project"]["version"], project["tool"]["comfy"]
    repository = ADDRESS.fullmatch(project["project"]["urls"]["Repository"])
    icon = f"https://raw.githubusercontent.com/{repository[1]}/main/docs/icon.png" if repository else ""
    newest, date, text = changes(changelog)[0]
    wanted = {
        f"the tag is {tag}, the version in pyproject.toml {version}": tag == f"v{version}",
        f"PublisherId is empty: {FILL_IN}": bool(comfy["PublisherId"]),
        f"Repository is no https://github.com/OWNER/NAME: {FILL_IN}": bool(repository),
        f"Icon is not the repository's docs/icon.png ({icon}): {FILL_IN}": comfy["Icon"] == icon or not repository,
        f"CHANGELOG.md begins with {newest}, not with {version}": newest == version,
        f"CHANGELOG.md gives {newest} no date (2026-01-31)": bool(re.fullmatch(r"\d{4}-\d\d-\d\d", date)),
        f"CHANGELOG.md says nothing of {newest}": bool(text),
    }
    return [sentence for sentence, right in wanted.items() if not right]


def main() -> None:
    tag, *notes = sys.argv[1:]
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    found = missing(metadata((ROOT / "pyproject.toml").read_text(encoding="utf-8")), changelog, tag)
    if found:
        sys.exit("Not released:\n" + "\n".join(f"- {sentence}" for sentence in found))
    for path in notes:
        Path(path).write_text(changes(changelog)[0][2] + "\n", encoding="utf-8")
    print(f"{tag} may be released.")


if __name__ == "__main__":
    main()
