"""`python -m audit --help` in the folder of this pack, or `python path/to/audit --help` from anywhere."""

import sys
from pathlib import Path

if __package__:
    from .command import main
else:  # by its path, as a Python that is embedded in an application does not look into the folder it is called in
    sys.path[0] = str(Path(__file__).resolve().parent.parent)
    from audit.command import main

if __name__ == "__main__":
    main()
