"""What the command is asked for. The defaults are the paper's settings."""

import argparse
from pathlib import Path

from ..options import ORDINARY
from .methods import METHODS

ALL = 10**6  # prompts: more than any list has
ABOUT = """The paper's Tables 3 and 4 again, with every other method beside them: asks running ComfyUI servers with this
pack for a picture of every prompt by every method, and writes OUT/index.html, table.csv and table.json beside the
paper's numbers. Call it in the folder of this pack. The same command goes on where it was stopped. See
docs/reproduce.md."""


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m audit.reproduce", description=ABOUT)
    add = parser.add_argument
    add("prompts", type=Path, help="the memorized prompts, as the public lists come: .csv or .jsonl")
    add("--training-images", type=Path, help="folder of them, by the list's Index")
    loader = parser.add_mutually_exclusive_group(required=True)
    loader.add_argument("--checkpoint", help="its file, as the server names it: SD 1.4 for the paper's table 4")
    loader.add_argument("--testbed", metavar="VARIANT", help="of Load Memorization Testbed in its place")
    add("--server", action="append", metavar="URL", help="of a running ComfyUI; several share the work")
    add("--out", type=Path, default=Path("reproduce-output"), help="folder of the results (%(default)s)")
    add("--table", type=int, choices=(3, 4), default=4, help="the paper's, to compare with (%(default)s)")
    add("--ordinary", type=Path, default=ORDINARY, help="prompts that are not memorized (a hundred of our own)")
    add("--alternatives", type=Path, help="JSON: other ways to say a prompt, by caption, for re-anchoring")
    add("--method", action="append", choices=[each.name for each in METHODS], help="only these, and none")
    add("--limit", type=int, default=ALL, help="so many prompts of each kind at most")
    add("--seeds", type=int, default=1, help="pictures of each prompt and method (%(default)s)")
    _sampling(parser.add_argument_group("sampling, with the paper's values"))
    _measures(parser.add_argument_group("measures"))
    add("--timeout", type=float, default=1800, help="seconds that one picture may take (%(default)s)")
    add("--patience", type=float, default=60, help="seconds that a server may be away (%(default)s)")
    add("--report-only", action="store_true", help="measure and show what is done")
    options = parser.parse_args(arguments)
    if options.limit < 1 or not 1 <= options.seeds <= 1000:
        parser.error("--limit is a number from 1 on, --seeds one from 1 to 1000")
    options.server = list(dict.fromkeys(options.server or ["http://127.0.0.1:8188"]))
    return options


def _sampling(group) -> None:
    group.add_argument("--steps", type=int, default=50, help="(%(default)s)")
    group.add_argument("--cfg", type=float, default=7.5, help="(%(default)s)")
    group.add_argument("--size", type=int, default=512, help="pixels, wide and high (%(default)s)")
    group.add_argument("--sampler", default="dpmpp_2m", help="(%(default)s: DPM++ 2M)")
    group.add_argument("--scheduler", default="simple", help="(%(default)s: the timesteps 999, 979, ... of diffusers)")


def _measures(group) -> None:
    add = group.add_argument
    add("--sscd", type=Path, help="sscd_disc_mixup.torchscript.pt; without it the int8 network, if it is installed")
    add("--sscd-large", type=Path, help="sscd_disc_large.torchscript.pt, with the 224 pixels of the released codes")
    add("--clip", metavar="MODEL:WEIGHTS", help="of open_clip, such as ViT-g-14:laion2b_s12b_b42k")
