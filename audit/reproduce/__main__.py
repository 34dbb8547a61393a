"""`python -m audit.reproduce --help`, called in the folder of this pack."""

from ..command import command
from .options import parse
from .run import reproduce

if __name__ == "__main__":
    command(reproduce, parse())
