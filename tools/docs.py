"""`make docs`: write the parts of the help pages and of README that are said in more than one place.

A part stands between two comments, <!-- from NAME --> and <!-- end -->, and what is between them is replaced:

inputs   the inputs of the page's node, from its INPUT_TYPES: name, tooltip, range and default
nodes    every node and the first sentence of its description
field    every method in a line, and
probe    how often a picture came back when it was searched for: both as measured (evidence.py)
families every family of models: what Basin Escape (set for me) sets for it, and why
else     the file tools/parts/NAME.md
"""

import re
from pathlib import Path

from ..nodes import NODE_CLASS_MAPPINGS, NODE_DISPLAY_NAME_MAPPINGS
from ..nodes.for_model import in_words
from ..samplers.host.family import DISTILLED, KNOWN, OTHER
from .evidence import field, probe
from .pack import ROOT

DOCS = ROOT / "web" / "docs"
PARTS = ROOT / "tools" / "parts"
PART = re.compile(r"(<!-- from (\S+) -->\n).*?(<!-- end -->)", re.DOTALL)
HOST_CHOICES = ("sampler_name", "scheduler")  # of the host and of other packs: not listed
LARGEST = 1_000_000  # a limit above it is none that a user meets


def main() -> None:
    for path in pages():
        path.write_text(current(path), encoding="utf-8")


def pages() -> list[Path]:
    return [ROOT / "README.md", ROOT / "docs" / "models.md", ROOT / "docs" / "choosing.md", *sorted(DOCS.glob("*.md"))]


def current(path: Path) -> str:
    """What a page says once its parts are up to date."""
    text = path.read_text(encoding="utf-8")
    return PART.sub(lambda match: f"{match[1]}{part(match[2], path.stem).strip()}\n{match[3]}", text)


def part(name: str, page: str) -> str:
    if name == "inputs":
        return inputs(NODE_CLASS_MAPPINGS[page])
    made = {"nodes": nodes, "families": families, "field": field, "probe": probe}
    if name in made:
        return made[name]()
    return (PARTS / f"{name}.md").read_text(encoding="utf-8")


def inputs(node) -> str:
    """A heading for each input, so that it fits into the narrow help panel."""
    groups = node.INPUT_TYPES()
    required = {name: described(name, *spec) for name, spec in groups["required"].items()}
    optional = {name: f"Optional. {described(name, *spec)}" for name, spec in groups.get("optional", {}).items()}
    return "\n".join(f"### `{name}`\n\n{text}\n" for name, text in {**required, **optional}.items())


def described(name: str, kind: str | list[str], options: dict) -> str:
    """The tooltip, with a list of the choices where it describes each, and the range and default of a number."""
    if isinstance(kind, list) and name not in HOST_CHOICES:
        return listed(options["tooltip"], kind, options.get("default", kind[0]))
    return " ".join(filter(None, [options["tooltip"], limits(kind, options)]))


def limits(kind: str | list[str], options: dict) -> str:
    default = options.get("default")
    if kind == "BOOLEAN":
        return f"({'On' if default else 'Off'} by default.)"
    if kind not in ("INT", "FLOAT"):
        return ""
    low, high = options["min"], options["max"]
    return f"(Default {default:g}.)" if high > LARGEST else f"({low:g} to {high:g}, default {default:g}.)"


def listed(tooltip: str, choices: list[str], default: str) -> str:
    """A tooltip that says "choice: what it does" of every choice becomes a list; in any other, choices are bold."""
    names = "|".join(map(re.escape, sorted(choices, key=len, reverse=True)))
    entry = re.compile(rf"(?:^|(?<=\. ))({names})( \([^)]*\))?: ")
    found = [match[1] for match in entry.finditer(tooltip)]
    if sorted(found) != sorted(choices):
        return with_bold(tooltip, rf"\b({names})\b")
    opening, *rest = entry.split(tooltip)
    lines = []
    for name, aside, text in zip(rest[::3], rest[1::3], rest[2::3], strict=True):
        first = " (default)" if name == default else ""
        lines.append(f"- **{name}**{aside or ''}{first}: {text.strip()}")
    return "\n".join([*([opening.strip(), ""] if opening.strip() else []), *lines])


def with_bold(text: str, names: str) -> str:
    """Each name in bold where it stands first."""
    firsts = {match[0]: match.start() for match in reversed(list(re.finditer(names, text)))}
    return re.sub(names, lambda match: f"**{match[0]}**" if firsts[match[0]] == match.start() else match[0], text)


def nodes() -> str:
    """README's table."""
    rows = [f"| {name} | {first_sentence(key)} |" for key, name in NODE_DISPLAY_NAME_MAPPINGS.items()]
    return "\n".join(["| Node | What it does |", "|---|---|", *rows])


def families() -> str:
    """The table of docs/models.md."""
    rows = [f"| {one.name} | {in_words(one.settings)} | {one.why}. |" for one in (*KNOWN, DISTILLED, OTHER)]
    return "\n".join(["| Family | Set | Because |", "|---|---|---|", *rows])


def first_sentence(key: str) -> str:
    return re.split(r"(?<=[a-z)]\.) (?=[A-Z])", NODE_CLASS_MAPPINGS[key].DESCRIPTION)[0]
