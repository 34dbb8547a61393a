"""`python -m audit --help` in the folder of this pack, or `python path/to/audit --help` from anywhere."""

import sys
from pathlib import Path

if __package__:
    from .command import command
    from .options import parse
    from .run import audit
else:  # by its path, as a Python that is embedded in an application does not look into the folder it is called in
    sys.path[0] = str(Path(__file__).resolve().parent.parent)
    from audit.command import command
    from audit.options import parse
    from audit.run import audit

if __name__ == "__main__":
    command(audit, parse())
