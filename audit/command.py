"""How a command of this package ends, whatever happens."""

import logging
import signal
import sqlite3
import sys
from argparse import Namespace
from collections.abc import Callable

from tqdm.contrib.logging import logging_redirect_tqdm

INCOMPLETE, STOPPED = 1, 130


def command(run: Callable[[Namespace], bool], options: Namespace) -> None:
    """Ends the process: 0 when `run` did all, 1 where something is not done, and says what; 130 after Ctrl-C."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    for number in (signal.SIGINT, signal.SIGTERM):  # the first is ignored in the background of a script
        signal.signal(number, signal.default_int_handler)
    try:
        with logging_redirect_tqdm():
            complete = run(options)
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
