"""The lists of prompts, in the formats in which the public ones come. None of them comes with this pack.

CSV with semicolons  columns Caption, Index, type (VM: verbatim, TM: template): ml-research/
                     localizing_memorization_in_diffusion_models, prompts/memorized_laion_prompts.csv
JSON lines           caption, index, and type if it is known: YuxinWenRick/diffusion_memorization,
                     examples/sdv1_500_memorized.jsonl
text                 a prompt on each line, without training images: ordinary prompts
"""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ..pictures import SUFFIXES, check_picture

VERBATIM, TEMPLATE, UNLABELLED, ORDINARY = "verbatim", "template", "not labelled", "ordinary"
MEMORIZED = (VERBATIM, TEMPLATE, UNLABELLED)
KINDS = {"VM": VERBATIM, "TM": TEMPLATE}  # any other label is none


class Listed(NamedTuple):
    """index: by which its training images are found, where there are any."""

    caption: str
    kind: str
    index: str = ""


def read_list(path: Path, ordinary: bool = False) -> list[Listed]:
    """Raises ValueError naming the file for one that is none of these, or holds no prompt."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            found = list(_rows(file, path, ordinary))
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}.") from error
    except (UnicodeDecodeError, csv.Error, json.JSONDecodeError) as error:
        raise ValueError(f"{path} cannot be read as a list of prompts ({error}).") from error
    if not found:
        raise ValueError(f"{path} has no prompt.")
    return found


def _rows(file, path: Path, ordinary: bool) -> Iterator[Listed]:
    if path.suffix.lower() == ".csv":
        table = csv.DictReader(file, delimiter=";")
        if "Caption" not in (table.fieldnames or []):
            raise ValueError(f"{path} has no column Caption: its columns are named by the first line, between `;`.")
        rows = ({name.lower(): value for name, value in row.items() if name} for row in table)
    elif path.suffix.lower() == ".jsonl":
        rows = (_object(json.loads(line), path) for line in file if line.strip())
    else:
        rows = ({"caption": line} for line in file)
    for row in rows:
        if caption := str(row.get("caption") or "").strip():
            kind = ORDINARY if ordinary else KINDS.get(str(row.get("type")), UNLABELLED)
            yield Listed(caption, kind, str(row.get("index") or ""))


def _object(row, path: Path) -> dict:
    if not isinstance(row, dict) or "caption" not in row:
        raise ValueError(f"{path} has a line without a caption: {str(row)[:60]}")
    return row


def training_images(folder: Path, index: str, place: int) -> list[Path]:
    """Those of a prompt: the pictures in a folder of its index, or the file with that name, or with that of its place.

    folder/1030727993/*.png (Wen et al.), folder/1030727993.png, or folder/0000_*.jpg (Hintersdorf et al.), place
    being counted from 0. Raises ValueError for a file that is no picture.
    """
    if index and (folder / index).is_dir():
        found = sorted((folder / index).iterdir())
    else:
        found = sorted([*(folder.glob(f"{index}.*") if index else ()), *folder.glob(f"{place:04}_*")])
    found = [path for path in found if path.suffix.lower() in SUFFIXES]
    for path in found:
        check_picture(path, f"the training image {path}")
    return found


def read_alternatives(path: Path | None) -> dict[str, list[str]]:
    """{caption: [other ways to say it]} of a JSON file. Raises ValueError for one of another form."""
    if path is None:
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return {str(caption): [str(line) for line in lines] for caption, lines in found.items()}
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise ValueError(f"{path} is no JSON object of captions and lists of other prompts ({error}).") from error


def as_typed(caption: str) -> str:
    """A caption as ComfyUI reads it as it stands: its brackets would be weights."""
    return caption.replace("(", "\\(").replace(")", "\\)")
