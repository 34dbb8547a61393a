"""The vectors of the given pictures, made before anything is sampled, so that a broken one is known at once."""

from collections.abc import Callable
from pathlib import Path

from .measures import measure_of
from .pictures import read_picture, small_jpeg
from .store import Store

NEW = "SELECT path FROM prompt_references WHERE path > ? ORDER BY path LIMIT 1"


def describe_references(store: Store, measure: str, done: Callable[[], object]) -> None:
    """Describe those that are new or have changed. Raises ValueError naming one that cannot be read."""
    describe, path = measure_of(measure).describe, ""
    while row := store.connection.execute(NEW, (path,)).fetchone():
        path = row[0]
        found = stamp(path)
        known = store.connection.execute("SELECT stamp FROM described WHERE path = ?", (path,)).fetchone()
        if known != (found,):
            picture = read_picture(Path(path), f"the reference {path}")
            values = (path, found, describe(picture).astype("<f4").tobytes(), small_jpeg(picture))
            with store.connection:
                store.connection.execute("INSERT OR REPLACE INTO described VALUES (?, ?, ?, ?)", values)
        done()


def stamp(path: str) -> str:
    """What changes when the file does. Raises ValueError naming one that is not there."""
    try:
        state = Path(path).stat()
    except OSError as error:
        raise ValueError(f"the reference {path} cannot be read: {error.strerror}.") from error
    return f"{state.st_size} {state.st_mtime_ns}"
