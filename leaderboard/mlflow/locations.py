"""Where MLflow's database says that artifacts lie, and where they lie: a home may be moved or copied.

MLflow keeps whole paths. So whoever opens a home's database first lets them point to where the home is now: a copy then
never writes into what it was copied from, and a home that was moved does not make its old place again.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

_EXPERIMENT = "artifact_location"
_COLUMNS = (
    ("experiments", _EXPERIMENT),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)
"""The columns that hold locations; of MLflow's releases not all have all."""

_known = ""
"""The address whose artifacts MLflow remembers."""


def settle_artifacts(database: Path, artifacts: Path) -> None:
    """Lets a home's database point to the home's own artifacts.

    Locations change that lie in the artifacts of the home as it was before it was moved or copied, and those of
    experiments to which nobody has logged yet, which MLflow puts wherever it was started. All others are somebody's
    own, and stay. Where all is as it should be, nothing is written.

    Args:
        database: MLflow's; it is there.
        artifacts: The folder of the home's artifacts; it need not be there.

    Raises:
        sqlite3.Error: The database cannot be read, or cannot be written and has to be.
    """
    move_locations(database, folder=artifacts.name, to=artifacts.resolve().as_uri())


def move_locations(database: Path, *, folder: str, to: str) -> None:
    """Lets the locations in a home's artifacts begin with another address.

    Args:
        database: MLflow's.
        folder: What a home's folder of artifacts is called, wherever the home was.
        to: The address of the folder now, without a slash at its end.

    Raises:
        sqlite3.Error: See :func:`settle_artifacts`.
    """
    with _opened(database) as connection:
        columns = _columns(connection)
        if ("experiments", _EXPERIMENT) not in columns:
            return
        strays = _untouched(connection, to)
        roots = [root for root in _roots(connection, folder) if root != to]
        if not (strays or roots):
            return
        connection.execute("BEGIN IMMEDIATE")
        for experiment in strays:
            connection.execute(
                f"UPDATE experiments SET {_EXPERIMENT} = ? WHERE experiment_id = ?", (f"{to}/{experiment}", experiment)
            )
        for root in roots:
            for table, column in columns:
                # By characters and not LIKE: '%' and '_' are in addresses, too.
                connection.execute(
                    f"UPDATE {table} SET {column} = ? || substr({column}, ?) "
                    f"WHERE {column} = ? OR substr({column}, 1, ?) = ?",
                    (to, len(root) + 1, root, len(root) + 1, f"{root}/"),
                )
        connection.execute("COMMIT")


def know_artifacts_of(address: str) -> None:
    """Lets MLflow forget where the artifacts of another database's runs are.

    It remembers that in the process, by the ids of runs alone: a copy of a home has the same ids, and what is logged to
    it would be written into the original.

    Args:
        address: Of the database or server that is asked next.
    """
    global _known
    if address != _known:
        from mlflow.tracking._tracking_service import utils

        utils._artifact_repos_cache.clear()
        _known = address


def locations_elsewhere(database: Path, artifacts: Path) -> list[str]:
    """The locations in a database that are not in a folder of artifacts, each once.

    Args:
        database: MLflow's.
        artifacts: The folder.

    Raises:
        sqlite3.Error: The database cannot be read.
    """
    inside = artifacts.resolve()
    with _opened(database) as connection:
        told = {
            str(value)
            for table, column in _columns(connection)
            for (value,) in connection.execute(f"SELECT DISTINCT {column} FROM {table} WHERE {column} IS NOT NULL")
        }
    return sorted(one for one in told if not _lies_in(one, inside))


def _lies_in(location: str, folder: Path) -> bool:
    parts = urlsplit(location)
    if parts.scheme != "file" or parts.netloc or parts.query or parts.fragment:
        return False
    return Path(url2pathname(parts.path)).resolve().is_relative_to(folder)


@contextlib.contextmanager
def _opened(database: Path) -> Iterator[sqlite3.Connection]:
    with contextlib.closing(sqlite3.connect(database.resolve(), timeout=1, isolation_level=None)) as connection:
        yield connection


def _columns(connection: sqlite3.Connection) -> list[tuple[str, str]]:
    return [
        (table, column)
        for table, column in _COLUMNS
        if column in {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}
    ]


def _untouched(connection: sqlite3.Connection, to: str) -> list[int]:
    """Experiments elsewhere that nobody has logged to: MLflow's own default is one."""
    rows = connection.execute(
        f"SELECT experiment_id FROM experiments WHERE {_EXPERIMENT} != ? AND substr({_EXPERIMENT}, 1, ?) != ? "
        "AND experiment_id NOT IN (SELECT experiment_id FROM runs WHERE experiment_id IS NOT NULL) "
        "AND name = 'Default'",
        (to, len(to) + 1, f"{to}/"),
    )
    return [experiment for (experiment,) in rows]


def _roots(connection: sqlite3.Connection, folder: str) -> list[str]:
    """The addresses of folders of artifacts that homes had: what Fakeoff's own experiments were made with."""
    rows = connection.execute(
        f"SELECT DISTINCT {_EXPERIMENT} FROM experiments WHERE name LIKE 'fakeoff %' AND {_EXPERIMENT} LIKE 'file:///%'"
    )
    return sorted(root for (root,) in rows if root.endswith(f"/{folder}"))


__all__ = ["know_artifacts_of", "locations_elsewhere", "move_locations", "settle_artifacts"]
