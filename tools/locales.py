"""`make locales`: write locales/en/, the English texts under the keys by which ComfyUI's page looks up translations.

Nothing is kept twice by hand: the texts are those of nodes/, of web/js/, and of samplers/words.py and status.py. Every
language has the same keys. Prints the keys of what is new or has changed: those are to be translated.
"""

import json
import re

from ..nodes import NODE_CLASS_MAPPINGS, NODE_DISPLAY_NAME_MAPPINGS
from ..nodes.transition_widgets import TRANSITION_WIDGETS
from ..samplers import status, words
from .pack import ROOT

LOCALES = ROOT / "locales"
# An object with an id and its texts in the page's extension: a command has a label, a setting a name.
ENTRY = re.compile(r"\{\s*id: ([\w.\"]+),(.*?)\}", re.DOTALL)
# What the page's extension translates itself.
SAID = re.compile(r"\bsay\(\"(.*?)\"\)")
# What stands for a number, or is one, in what the extension is told: it looks a text up by its words (web/js/words.js).
NUMBER = re.compile(r"\{\}|\d+(?:\.\d+)?")
CONSTANT = re.compile(r"^(?:export )?const (\w+) = \"(.*)\";$", re.MULTILINE)


def main() -> None:
    for file, texts in english().items():
        path = LOCALES / "en" / file
        before = flat(json.loads(path.read_text(encoding="utf-8")))
        for key, text in flat(texts).items():
            if before.get(key) != text:
                print(f"{file}: {' > '.join(key)}")
        path.write_text(json.dumps(texts, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def flat(texts, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], str]:
    """Texts by their path of keys."""
    if isinstance(texts, str):
        return {path: texts}
    return {key: text for name, inner in texts.items() for key, text in flat(inner, (*path, name)).items()}


def english() -> dict[str, dict]:
    """The files of a language by name."""
    names, nodes = NODE_DISPLAY_NAME_MAPPINGS, NODE_CLASS_MAPPINGS
    commands, settings, categories = page_texts()
    return {
        "nodeDefs.json": {key: {"display_name": names[key], **node_texts(node)} for key, node in nodes.items()},
        "commands.json": commands,
        "settings.json": settings,
        "main.json": {
            "nodeCategories": itself(part for node in nodes.values() for part in node.CATEGORY.split("/")),
            "menuLabels": itself(texts["label"] for texts in commands.values()),
            "settingsCategories": itself(categories),
            "basinEscape": {text.replace(".", ""): text for text in own_texts()},  # a dot parts the keys of a path
        },
    }


def itself(texts) -> dict[str, str]:
    """For what the page looks up by its English text."""
    return {text: text for text in texts}


def node_texts(node) -> dict:
    """Description, inputs that can be seen, and outputs by their number. The page shows combo values as they are."""
    groups = node.INPUT_TYPES()
    inputs = {**groups.get("required", {}), **groups.get("optional", {})}
    names = getattr(node, "RETURN_NAMES", ())
    tooltips = getattr(node, "OUTPUT_TOOLTIPS", ())
    return {
        "description": node.DESCRIPTION,
        "inputs": {name: {"name": name, "tooltip": options["tooltip"]} for name, (_, options) in inputs.items()},
        "outputs": {
            str(slot): {"name": name, "tooltip": tooltip}
            for slot, (name, tooltip) in enumerate(zip(names, tooltips, strict=True))
        },
    }


def own_texts() -> list[str]:
    """What the extension says, and what it is told: with a # for every number."""
    said = [text for path in sorted((ROOT / "web" / "js").rglob("*.js")) for text in SAID.findall(path.read_text())]
    cases = [case["says"] for _, options in TRANSITION_WIDGETS.values() for case in options.get("typed", ())]
    phrases = [NUMBER.sub("#", phrase) for phrase in (*words.PHRASES, *status.PHRASES)]
    return [*dict.fromkeys([*said, *cases, *phrases])]


def page_texts() -> tuple[dict[str, dict], dict[str, dict], list[str]]:
    """Commands and settings by id (the page looks them up with _ for every dot), and the settings' categories."""
    source = (ROOT / "web" / "js" / "basin_escape.js").read_text(encoding="utf-8")
    constants = dict(CONSTANT.findall((ROOT / "web" / "js" / "nodes.js").read_text(encoding="utf-8")))
    commands, settings, categories = {}, {}, []
    for name, rest in ENTRY.findall(source):
        key = constants.get(name, name.strip('"')).replace(".", "_")
        texts = dict(re.findall(r"\b(label|name|tooltip): \"(.*?)\"", rest))
        (commands if "label" in texts else settings)[key] = texts
        for path in re.findall(r"\bcategory: \[(.*?)\]", rest):
            categories += re.findall(r"\"(.*?)\"", path)[:-1]  # the last one is the setting itself
    return commands, settings, categories
