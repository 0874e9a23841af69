"""A home's MLflow database that is damaged is put aside, and a new one is filled: all of it can be logged anew."""

from __future__ import annotations

import contextlib
import itertools
import sqlite3
from pathlib import Path

from fakeoff.arena.errors import one_line

COMPANIONS = ("-journal", "-wal", "-shm")
"""How files of SQLite's end that lie beside a database and would be taken for a new one's."""


def mend_database(database: Path) -> str:
    """Puts a database aside that SQLite cannot read. One that is locked or that nobody may read is left.

    Args:
        database: The home's; it need not be there.

    Returns:
        What was done, in one line; empty where there was nothing to do.
    """
    path = database.resolve()
    if not path.is_file() or not (wrong := _what_is_wrong(path)):
        return ""
    aside = path.with_name(f"{path.name}.damaged")
    for number in itertools.count(2):
        if not aside.exists():
            break
        aside = path.with_name(f"{path.name}.damaged-{number}")
    try:
        path.rename(aside)
        for ending in COMPANIONS:
            with contextlib.suppress(FileNotFoundError):
                path.with_name(path.name + ending).rename(aside.with_name(aside.name + ending))
    except OSError:  # whoever logs is told why it cannot
        return ""
    return (
        f"MLflow's database '{database}' is damaged ({wrong}): it lies in '{aside.name}' beside it now, and a new one "
        "is filled from what is stored"
    )


def _what_is_wrong(path: Path) -> str:
    try:
        with contextlib.closing(sqlite3.connect(path, timeout=1)) as connection:
            (told,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.OperationalError:
        return ""
    except sqlite3.DatabaseError as error:
        return one_line(error)
    return "" if told == "ok" else str(told).splitlines()[-1][:100]


__all__ = ["COMPANIONS", "mend_database"]
