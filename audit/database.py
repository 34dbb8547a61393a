"""An SQLite file that says what it was begun with, and that one command at a time can have open."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

SCHEMA = "CREATE TABLE IF NOT EXISTS settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);"


class Database:
    """Raises ValueError for a file that is none of ours, or is in use. schema: of the tables besides `settings`."""

    def __init__(self, path: Path, schema: str):
        self.path = path
        self.connection = sqlite3.connect(path, timeout=1.0)
        try:
            self.connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            self.connection.executescript("BEGIN EXCLUSIVE;" + SCHEMA + schema + "COMMIT;")
        except sqlite3.OperationalError as error:
            if "locked" in str(error):
                raise ValueError(f"{path} is in use by another audit: wait for its end.") from error
            raise
        except sqlite3.DatabaseError as error:
            raise ValueError(f"{path} is no file of an audit ({error}): choose another one.") from error

    def close(self) -> None:
        self.connection.close()

    def begin_with(self, settings: dict[str, str], write: Callable[[], object]) -> None:
        """Write settings, and by `write` the lists, all or nothing. Those of a file that has some must be the same.

        Raises ValueError naming those that are not.
        """
        if not (known := self.settings()):
            with self.connection:
                write()
                self.connection.executemany("INSERT INTO settings VALUES (?, ?)", settings.items())
            return
        changed = [name for name, value in settings.items() if known.get(name) != value]
        if changed:
            raise ValueError(
                f"{self.path} was begun with another choice of: {', '.join(changed)}. Choose that again, or another "
                "folder for --out."
            )

    def settings(self) -> dict[str, str]:
        return dict(self.connection.execute("SELECT name, value FROM settings"))

    def note(self, name: str, value: str) -> None:
        """Something to be told in the report, such as a server's version."""
        with self.connection:
            self.connection.execute("INSERT OR REPLACE INTO settings VALUES (?, ?)", (name, value))
