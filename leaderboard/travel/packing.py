"""Packs a home into one file, and unpacks it elsewhere."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import tempfile
from collections.abc import Collection, Iterator
from pathlib import Path

from fakeoff.arena.errors import ConfigError, StoreError, one_line
from fakeoff.arena.files import read_file
from fakeoff.arena.jobs.store import LEFT_OUT_FILE
from fakeoff.leaderboard.home.home import Home
from fakeoff.leaderboard.home.ledger import read_ledger
from fakeoff.leaderboard.licences import Licence, Material, licences_of
from fakeoff.leaderboard.mlflow.locations import locations_elsewhere, move_locations
from fakeoff.leaderboard.travel.archive import Archive, Manifest, free_bytes, write_archive
from fakeoff.leaderboard.travel.contents import may_travel, pack_files
from fakeoff.protocols.config import parse_config, read_config

_MOST_TIMES_ITS_SIZE = 100
"""What an archive may unpack to: scores shrink to a tenth, and bombs to a thousandth."""

_SMALL = 64 * 2**20


def pack_home(home: Home, target: Path, *, without: Collection[Material] = ()) -> Manifest:
    """Packs a home: the same home gives the same bytes.

    Args:
        home: What was played.
        target: The archive, a zip file.
        without: What is left out.

    Returns:
        What the archive says of itself.

    Raises:
        ConfigError: ``target`` is there, or cannot be written.
        StoreError: Nothing was played there, somebody plays there now, or it cannot be read.
    """
    if not (home.names() or home.store.is_dir()):
        raise StoreError(f"nothing was played in '{home}'; {home.what_first}")
    with home.unplayed(), tempfile.TemporaryDirectory(prefix="fakeoff-pack-") as workspace:
        left_out = sorted({*without, *_left_out_before(home)})
        licences = [one for one in _licences(home) if set(one.material) - set(left_out)]
        files = list(pack_files(home, without=without, workspace=Path(workspace)))
        return write_archive(target, files, left_out=left_out, licences=licences)


def unpack_home(source: Path, home: Home) -> Manifest:
    """Unpacks a home, all of it or nothing.

    Args:
        source: An archive of anybody's.
        home: Where to: a folder that is not there, or is empty.

    Returns:
        What the archive says of itself; it stays in the home.

    Raises:
        ConfigError: There is something in the folder.
        StoreError: The archive cannot be read or is refused, or there is no room for what is in it.
    """
    if home.folder.exists() and not (home.folder.is_dir() and not any(home.folder.iterdir())):
        raise ConfigError(f"'{home}' is there, and is not empty; unpack into another folder")
    with Archive(source) as archive:
        _check_room(archive.manifest, source, home)
        for entry in archive.manifest.entries:
            if not may_travel(entry.path, home):
                raise StoreError(f"'{source}' is not unpacked: '{entry.path}' is no file of a home")
        with _beside(home.folder) as fresh:
            archive.extract(fresh.folder)
            _check_markers(fresh, source)
            _arrive(fresh, home, source)
            fresh.unpacked.write_text(archive.manifest.text())
        return archive.manifest


def missing_from(home: Home) -> str:
    """What was left out when a home was packed and has not been computed again since, in one line; else empty."""
    if not home.unpacked.is_file():
        return ""
    missing = home.open_store().left_out()
    if not missing:
        return ""
    return f"{' and '.join(missing)} were left out when this home was packed; to compute them again: {home.to_play}"


def _left_out_before(home: Home) -> list[Material]:
    found = home.open_store().left_out() if home.store.is_dir() else []
    return [one for one in ("images", "weights") if one in found]


def _licences(home: Home) -> tuple[Licence, ...]:
    """Of all tournaments in it, each once."""
    return tuple(dict.fromkeys(one for name in ("", *home.names()) for one in _licences_of(home.named(name))))


def _licences_of(home: Home) -> tuple[Licence, ...]:
    if home.tournament.is_file():
        record = read_ledger(home, home.open_store(), figures=False)
        return licences_of(record.config, reals=record.source_name)
    if home.configuration.is_file():
        config = parse_config(read_config(home.configuration), where=str(home.configuration))
        return licences_of(config, reals=Path(config.reals.source).name)
    return ()


def _check_room(manifest: Manifest, source: Path, home: Home) -> None:
    total, size, free = manifest.total, source.stat().st_size, free_bytes(home.folder.absolute())
    if total > max(_SMALL, _MOST_TIMES_ITS_SIZE * size):
        raise StoreError(
            f"'{source}' is not unpacked: it would become {total // max(size, 1)} times as large, as no home does"
        )
    if total > free:
        raise StoreError(
            f"'{source}' needs {total / 2**30:.1f} GiB, and there are {free / 2**30:.1f} GiB free for '{home}'"
        )


@contextlib.contextmanager
def _beside(folder: Path) -> Iterator[Home]:
    """A home in a folder beside another, which it becomes in one step at the end."""
    folder = folder.absolute()
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        workspace = Path(tempfile.mkdtemp(prefix=".fakeoff-unpack-", dir=folder.parent))
    except OSError as error:
        raise StoreError(f"'{folder}' cannot be written: {one_line(error)}; unpack into another folder") from error
    try:
        fresh = Home(workspace / "home")
        fresh.folder.mkdir()
        yield fresh
        try:
            fresh.folder.rename(folder)
        except OSError as error:
            raise ConfigError(f"'{folder}' is there, and is not empty; unpack into another folder") from error
    finally:
        shutil.rmtree(workspace, ignore_errors=True)


def _check_markers(home: Home, source: Path) -> None:
    for path in home.store.rglob(LEFT_OUT_FILE):
        if read_file(path) not in (b"images", b"weights"):
            raise StoreError(f"'{source}' is not unpacked: it says that something was left out, and nobody knows what")


def _arrive(fresh: Home, home: Home, source: Path) -> None:
    """Lets MLflow's database point to where the home is going to be, and nowhere else."""
    if not fresh.database.exists():
        return
    artifacts = Home(home.folder.absolute()).artifacts.resolve()
    try:
        _check_programs(fresh.database, source)
        move_locations(fresh.database, folder=artifacts.name, to=artifacts.as_uri())
        if elsewhere := locations_elsewhere(fresh.database, artifacts):
            raise StoreError(f"'{source}' is not unpacked: its MLflow would write to '{elsewhere[0][:200]}'")
    except sqlite3.Error as error:
        raise StoreError(f"'{source}' is not unpacked: its MLflow database is damaged ({one_line(error)})") from error


def _check_programs(database: Path, source: Path) -> None:
    """Refuses triggers and views that are not MLflow's: they would run whenever somebody logs."""
    from fakeoff.leaderboard.mlflow.empty_database import put_empty_database

    with tempfile.TemporaryDirectory() as folder:
        empty = Path(folder, "empty.db")
        put_empty_database(empty)
        known = _programs(empty) if empty.exists() else set()
    if strange := _programs(database) - known:
        name = min(strange)[0]
        raise StoreError(f"'{source}' is not unpacked: '{name[:80]}' in its MLflow database is none of MLflow's")


def _programs(database: Path) -> set[tuple[str, str]]:
    with contextlib.closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as connection:
        rows = connection.execute("SELECT name, sql FROM sqlite_master WHERE type IN ('trigger', 'view')").fetchall()
    return {(str(name), " ".join(str(sql).split())) for name, sql in rows}


__all__ = ["missing_from", "pack_home", "unpack_home"]
