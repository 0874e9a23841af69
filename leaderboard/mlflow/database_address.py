"""How SQLAlchemy is told of a database file, whatever its folders are called."""

from __future__ import annotations

from pathlib import Path

from fakeoff.arena.errors import StoreError


def address_of(database: Path) -> str:
    """The address of an SQLite database.

    Args:
        database: The file; it need not be there.

    Raises:
        StoreError: Its path cannot be part of an address.
    """
    from sqlalchemy import URL, make_url  # here: MLflow brings it, and it takes a while

    path = str(database.resolve())
    # MLflow makes the folder of an address as it is written, escapes and all, unless its driver is named.
    escaped = URL.create("sqlite+pysqlite", database=path).render_as_string()
    for address in (f"sqlite:///{path}", escaped):
        parts = make_url(address)
        if parts.database == path and not parts.query:
            return address
    raise StoreError(f"MLflow's database cannot be kept at '{path}'; give --home a name without '?' and '%'")


__all__ = ["address_of"]
