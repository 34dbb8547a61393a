"""The command: what it says while it works, and how it ends."""

import logging
import signal
import sqlite3
import sys

from tqdm.contrib.logging import logging_redirect_tqdm

from .options import parse
from .run import audit

INCOMPLETE, STOPPED = 1, 130


def main(arguments: list[str] | None = None) -> None:
    """Ends the process: 0 when all is done, 1 where something is not, and says what; 130 after Ctrl-C."""
    options = parse(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with logging_redirect_tqdm():
            complete = audit(options)
    except KeyboardInterrupt:
        logging.info(
            "Stopped. What is done is kept: the same command goes on, with --report-only it shows what is there."
        )
        sys.exit(STOPPED)
    except (ValueError, OSError, sqlite3.Error) as error:
        where = f"{options.out}: " if isinstance(error, sqlite3.Error) else ""
        logging.error("%s%s", where, error)
        logging.info("What is done is kept: once that is put right, the same command goes on.")
        sys.exit(INCOMPLETE)
    sys.exit(0 if complete else INCOMPLETE)
