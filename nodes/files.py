"""Files in ComfyUI's own folders: their names, and that they appear whole or not at all."""

import os
import re
import time
import uuid
from collections.abc import Callable

try:
    import folder_paths
except ModuleNotFoundError:  # the sampling library alone, without the ComfyUI server
    folder_paths = None

LONGEST = 200  # of a name in bytes: file systems allow 255, and a counter follows
# What the page fills in for core's own nodes: %date:yyyy-MM-dd%, and other nodes' widgets, %KSampler.seed%.
PLACEHOLDER = re.compile(r"%([^%]+)%")
DATE_PARTS = {"yyyy": "%Y", "yy": "%y", "MM": "%m", "dd": "%d", "hh": "%H", "mm": "%M", "ss": "%S"}
DATE_PART = re.compile("yyyy|yy|MM?|dd?|hh?|mm?|ss?")
FORBIDDEN = re.compile(r'[<>:"|?*\x00-\x1f\ud800-\udfff]')  # on some system, or anywhere


def expanded(prefix: str, prompt: dict | None) -> str:
    """The prefix with its placeholders filled in; `prompt` is the queued one, whose nodes are named.

    The host fills in those without a dot or colon (%year%). Raises ValueError for a node or widget that is not there.
    """

    def fill_in(match: re.Match) -> str:
        kind, colon, form = match[1].partition(":")
        if kind == "date" and colon:
            return _date(form)
        node, dot, widget = match[1].rpartition(".")
        return _widget(node, widget, prompt or {}) if dot else match[0]

    return PLACEHOLDER.sub(fill_in, prefix)


def _date(form: str) -> str:
    now = time.localtime()

    def part(match: re.Match) -> str:
        letters = match[0]
        if letters in DATE_PARTS:
            return time.strftime(DATE_PARTS[letters], now)
        return str(int(time.strftime(DATE_PARTS[2 * letters], now)))  # one letter: without a leading zero

    return DATE_PART.sub(part, form)


def _widget(title: str, widget: str, prompt: dict) -> str:
    for node in prompt.values():
        value = node["inputs"].get(widget)
        named = title in (node["class_type"], node.get("_meta", {}).get("title"))
        if named and isinstance(value, (str, int, float)):
            return re.sub(r"[/\\]|" + FORBIDDEN.pattern, "_", str(value))
    raise ValueError(
        f"filename_prefix names %{title}.{widget}%, but no node {title!r} with a widget {widget!r} is in this prompt: "
        "use the title of the node and the name of its widget."
    )


def output_path(prefix: str, name: str, prompt: dict | None = None) -> tuple[str, str, int, str]:
    """Folder, name, counter and subfolder of a new file below ComfyUI's output folder; `name` for a prefix without one.

    Raises ValueError naming filename_prefix for a name that no file can have, or one outside of that folder.
    """
    if folder_paths is None:
        raise RuntimeError("Saving needs a ComfyUI server, whose output folder it writes to.")
    wanted = expanded(prefix, prompt)
    if FORBIDDEN.search(wanted) or any(len(part.encode()) > LONGEST for part in re.split(r"[/\\]", wanted)):
        raise ValueError(
            f"filename_prefix is {prefix[:50]!r}: choose a name of at most {LONGEST} characters without control "
            'characters and without any of < > : " | ? *'
        )
    if os.path.basename(wanted) in ("", ".", ".."):  # a folder
        wanted = os.path.join(wanted, name)
    try:
        folder, file, counter, subfolder, _ = folder_paths.get_save_image_path(
            wanted, folder_paths.get_output_directory()
        )
    except Exception as error:  # the host raises no narrower one for a folder outside of its own
        raise ValueError(
            f"filename_prefix is {prefix!r}: choose a name below ComfyUI's output folder. ({error})"
        ) from error
    return folder, file, counter, subfolder


def write_whole(path: str, write: Callable[[str], object]) -> None:
    """Let `write` make a file under another name beside it, and move it to `path` once it is complete."""
    unfinished = f"{path}.{uuid.uuid4().hex}.tmp"
    try:
        write(unfinished)
        os.replace(unfinished, path)
    finally:
        if os.path.exists(unfinished):
            os.remove(unfinished)
