"""What the command is asked for."""

import argparse
import shlex
from pathlib import Path

from .measures import MEASURES

ORDINARY = Path(__file__).parent / "ordinary.txt"
SCORES = ("guidance norm", "anisotropy", "prediction change", "last step", "attention entropy")
ABOUT = """Does a model, a fine-tune or a LoRA copy? Asks running ComfyUI servers with this pack for every prompt of a
list, and writes what it saw: OUT/audit.sqlite, prompts.csv, seeds.csv and report/index.html. Call it in the folder of
this pack, or by the path of its folder `audit`. The same command goes on where it was stopped. See docs/audit.md."""


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m audit", description=ABOUT)
    add = parser.add_argument
    add("prompts", type=Path, help="a text file with a prompt on each line, or CSV: prompt, references, seeds")
    add("--workflow", type=Path, required=True, help="in API format; %%prompt%% and %%seed%% are its slots")
    add("--server", action="append", metavar="URL", help="of a running ComfyUI; several share the work")
    add("--out", type=Path, default=Path("audit-output"), help="folder of the results (%(default)s)")
    add("--seeds", type=_count, default=4, help="pictures of each prompt (%(default)s)")
    add("--score", action="append", choices=SCORES, help="of Detect Memorization; several are all measured")
    add("--ordinary", type=Path, default=ORDINARY, help="prompts that the thresholds come from (a hundred of our own)")
    add("--threshold", type=float, help="of the first score; no ordinary prompts are run")
    add("--no-mitigation", action="store_true", help="only see what the model does as it is")
    add("--box", type=int, default=13, help="of Memorization Map: 13 for SD 1.5, 25 for SDXL, 3 for the testbed")
    add("--measure", choices=list(MEASURES), default="pixels", help="how alike pictures are (%(default)s)")
    add("--timeout", type=float, default=1800, help="seconds that one prompt and seed may take (%(default)s)")
    add("--patience", type=float, default=60, help="seconds that a server or actor may be away (%(default)s)")
    add("--ray", nargs="?", const="local", metavar="ADDRESS", help="as tasks of Ray: of a cluster, or of this machine")
    _actors(parser.add_argument_group("servers of its own, as actors of Ray"))
    add("--report-only", action="store_true", help="write tables and report of what is done")
    options = parser.parse_args(arguments)
    _see_to_actors(parser, options)
    options.server = list(dict.fromkeys(options.server or ["http://127.0.0.1:8188"]))
    options.score = list(dict.fromkeys(options.score or SCORES[:1]))
    return options


def _actors(group) -> None:
    add = group.add_argument
    add("--comfyui", type=Path, metavar="PATH", help="a checkout of ComfyUI with this pack, on every machine")
    add("--actors", type=_count, metavar="N", help="how many are started (2)")
    add("--python", help="what runs ComfyUI there, if another than runs Ray")
    add("--comfyui-args", type=shlex.split, metavar="ARGUMENTS", help='of ComfyUI, such as --comfyui-args="--cpu"')


def _see_to_actors(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """Refuses what does not go together; fills in the rest."""
    own = {"--actors": options.actors, "--python": options.python, "--comfyui-args": options.comfyui_args}
    if options.comfyui is None:
        if useless := [name for name, value in own.items() if value is not None]:
            parser.error(f"{useless[0]} is for the servers that --comfyui starts: give the path of a ComfyUI by it")
        return
    if options.ray is None:
        parser.error("--comfyui starts servers as actors of Ray: give --ray too")
    if options.server:
        parser.error("--server asks servers that run, --comfyui starts some: give one of the two")
    options.comfyui = options.comfyui.absolute()
    options.actors, options.comfyui_args = options.actors or 2, options.comfyui_args or []
    if taken := [each for each in options.comfyui_args if each.startswith(("--port", "--listen"))]:
        parser.error(f"--comfyui-args has {taken[0]}: every actor has a port of its own, on its machine only")


def _count(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 1000:
        raise argparse.ArgumentTypeError("a number from 1 to 1000 is needed")
    return int(text)
