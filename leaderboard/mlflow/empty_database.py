"""MLflow's database with nothing in it, made once for each release of MLflow.

MLflow builds a new database by going through every change that its tables ever saw, which costs seconds for each
home. What comes out is the same for a release, so it is kept where things lie that can be made again, and copied.
"""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from fakeoff.arena.cache import cache_folder
from fakeoff.leaderboard.mlflow.database_address import address_of


def put_empty_database(path: Path) -> None:
    """Puts MLflow's empty database where there is none; where that cannot be done, MLflow makes its own.

    Args:
        path: The file; one that exists is left as it is.
    """
    if path.exists():
        return
    # No home, no room or no permission in the cache: it only costs time.
    with contextlib.suppress(OSError, RuntimeError, sqlite3.Error):
        kept = cache_folder() / f"mlflow-{version('mlflow')}.db"
        if not _is_sound(kept):
            _make(kept)
        with _moved_into(path) as partial:
            shutil.copyfile(kept, partial)


def _is_sound(database: Path) -> bool:
    """Whether it is a whole database of MLflow's in which nothing was logged."""
    if not database.is_file():
        return False
    with contextlib.closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        try:
            (told,) = connection.execute("PRAGMA integrity_check").fetchone()
            (runs,) = connection.execute("SELECT COUNT(*) FROM runs").fetchone()
            (release,) = connection.execute("SELECT COUNT(*) FROM alembic_version").fetchone()
        except sqlite3.DatabaseError:
            return False
    return (told, runs, release) == ("ok", 0, 1)


def _make(database: Path) -> None:
    from mlflow import MlflowClient

    database.parent.mkdir(parents=True, exist_ok=True)
    with _moved_into(database) as partial:
        MlflowClient(tracking_uri=address_of(partial)).search_experiments()


@contextlib.contextmanager
def _moved_into(path: Path) -> Iterator[Path]:
    """A file in a folder of its own beside ``path``, moved there in one step at the end."""
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".mlflow-") as folder:
        partial = Path(folder) / path.name
        yield partial
        partial.replace(path)


__all__ = ["put_empty_database"]
