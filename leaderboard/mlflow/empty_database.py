"""MLflow's database with nothing in it, made once for each release of MLflow.

MLflow builds a new database by going through every change that its tables ever saw, which costs seconds for each
home. What comes out is the same for a release, so it is kept where things lie that can be made again, and copied.
"""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from fakeoff.arena.cache import cache_folder
from fakeoff.arena.jobs.scratch import Scratch
from fakeoff.leaderboard.mlflow.database_address import address_of
from fakeoff.leaderboard.mlflow.mending import COMPANIONS


def put_empty_database(path: Path) -> None:
    """Puts MLflow's empty database where there is none, in one step: MLflow's own way there takes seconds.

    What a killed process left of one, in which nothing was logged, is replaced.

    Args:
        path: The file; one in which something was logged is left as it is, and so is one that cannot be read.

    Raises:
        OSError: There is no room, or no right.
        MlflowException: Likewise.
        SQLAlchemyError: Likewise.
    """
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    if not _is_empty(path):
        return
    kept: Path | None = None
    # No home, no room or no permission in the cache: it only costs time.
    with contextlib.suppress(OSError, RuntimeError, sqlite3.Error, MlflowException, SQLAlchemyError):
        kept = cache_folder() / f"mlflow-{version('mlflow')}.db"
        if not _is_sound(kept):
            _make(kept)
    if kept is None or not _is_sound(kept):
        if not path.exists() or not _is_sound(path):
            _make(path)
    elif not path.exists() or _release_of(path) != _release_of(kept):
        with _moved_into(path) as partial:
            shutil.copyfile(kept, partial)


def _is_empty(path: Path) -> bool:
    """Whether there is no database, or one in which nothing was logged."""
    if not path.exists():
        return True
    try:
        with contextlib.closing(sqlite3.connect(path, timeout=1)) as connection:
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            return "runs" not in tables or connection.execute("SELECT 1 FROM runs").fetchone() is None
    except sqlite3.DatabaseError:
        return False


def _release_of(database: Path) -> str:
    """To which release of MLflow's a database was brought; empty where that is not known."""
    with contextlib.closing(sqlite3.connect(database, timeout=1)) as connection:
        try:
            found = connection.execute("SELECT version_num FROM alembic_version").fetchall()
        except sqlite3.DatabaseError:
            return ""
    return str(found[0][0]) if len(found) == 1 else ""


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
    with contextlib.closing(Scratch("mlflow", within=path.parent)) as folder:
        partial = folder.path / path.name
        yield partial
        for ending in COMPANIONS:  # of what a killed process left: they would be taken for the new one's
            path.with_name(path.name + ending).unlink(missing_ok=True)
        partial.replace(path)


__all__ = ["put_empty_database"]
