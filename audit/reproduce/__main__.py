"""`python -m audit.reproduce --help` in the folder of this pack, or `python path/to/audit/reproduce` from anywhere."""

import sys
from pathlib import Path

if __package__:
    from ..command import command
    from .options import parse
    from .run import reproduce
else:  # as in ../__main__.py
    sys.path[0] = str(Path(__file__).resolve().parents[2])
    from audit.command import command
    from audit.reproduce.options import parse
    from audit.reproduce.run import reproduce

if __name__ == "__main__":
    command(reproduce, parse())
