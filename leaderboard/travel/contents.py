"""What of a home travels, and which of it are images and weights."""

from __future__ import annotations

import contextlib
import json
import os
import re
import sqlite3
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from fakeoff.arena.errors import StoreError, one_line
from fakeoff.arena.files import read_file
from fakeoff.arena.jobs.store import ARRAYS_FILE, LEFT_OUT_FILE, RECORD_FILE
from fakeoff.leaderboard.home.home import Home
from fakeoff.leaderboard.licences import Material
from fakeoff.leaderboard.mlflow.locations import locations_elsewhere, move_locations
from fakeoff.leaderboard.travel.archive import Packed
from fakeoff.protocols.config.config import NAME

NOWHERE = Path("/fakeoff-home")
"""Where an archive's MLflow says that the home is: it tells nobody where it was packed."""

_PICTURES = (".png", ".webp", ".jpg", ".jpeg", ".gif", ".bmp", ".tif", ".tiff", ".svg", ".pdf", ".html")
_WEIGHTS = (".safetensors", ".onnx", ".pt", ".pth", ".npz", ".npy")
_OF_TRAINING = {"curves", "state"}
_OF_ENTERING = {"resolution"}


def files_of(home: Home) -> list[Path]:
    """Where what travels lies: files by themselves, and folders with all that is in them.

    The lock, the plugin files that it was played with, and what MLflow's server printed, are of this machine.
    """
    shared = [home.database, home.logged, home.store, home.output, home.artifacts]
    every = dict.fromkeys(["", *home.names()])  # without a name there may be experiments alone
    return [place for name in every for place in files_of_tournament(home.named(name))] + shared


def files_of_tournament(home: Home) -> list[Path]:
    """Where what travels of one tournament lies.

    Args:
        home: With the name of the tournament.
    """
    return [
        home.configuration,
        home.tournament,
        home.scoreboard,
        home.report,
        home.provenance,
        home.reproduction,
        home.imported,
        home.experiments,
    ]


def may_travel(name: str, home: Home) -> bool:
    """Whether a file of such a name may be one of a home's.

    Args:
        name: Its path inside of the home, with slashes.
        home: Where it would be.
    """
    first, *below = name.split("/")
    if first == home.tournaments.name:
        called, *below = below or [""]
        if not re.fullmatch(NAME, called) or not below:
            return False
        return below[0] in {path.name for path in files_of_tournament(home.named(called))}
    return first in {path.name for path in files_of(home.named(""))}


def pack_files(home: Home, *, without: Collection[Material], workspace: Path) -> Iterator[Packed]:
    """The files of a home, as they go into an archive.

    Args:
        home: Nobody plays in it meanwhile.
        without: What is left out.
        workspace: A folder for what has to be written anew.

    Raises:
        StoreError: MLflow's database cannot be read, or has artifacts elsewhere; or a name cannot be told.
    """
    versions = _versions(home)
    for place in files_of(home):
        for path in _below(place):
            name = _name(path, home)
            material = _material(path, home, versions)
            if path == home.database:
                yield Packed(path=name, content=_portable_database(home, workspace))
            elif path == home.logged and "images" in without:
                yield Packed(path=name, content=_to_be_logged_again(path))
            elif material not in without:
                yield Packed(path=name, content=path)
            elif path.name == ARRAYS_FILE and path.is_relative_to(home.store):
                marker = path.with_name(LEFT_OUT_FILE)
                yield Packed(path=_name(marker, home), content=str(material).encode())


def _below(place: Path) -> Iterator[Path]:
    """The files at a place; links may lead anywhere, and what begins with a dot is half written."""
    if place.is_file() and not place.is_symlink():
        yield place
        return
    for folder, folders, files in os.walk(place):
        folders[:] = sorted(name for name in folders if not name.startswith((".", "writing-")))
        for name in sorted(files):
            path = Path(folder, name)
            if not name.startswith(".") and path.is_file() and not path.is_symlink():
                yield path


def _name(path: Path, home: Home) -> str:
    name = path.relative_to(home.folder).as_posix()
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise StoreError(f"{name!r} has a name that is no text; rename it, and pack again") from error
    return name


def _material(path: Path, home: Home, versions: Collection[str]) -> Material | None:
    if path.is_relative_to(home.store):
        return _of_entry(path, versions) if path.name == ARRAYS_FILE else None
    if path == home.report or path.suffix.lower() in _PICTURES:
        return "images"
    return "weights" if path.suffix.lower() in _WEIGHTS else None


def _of_entry(path: Path, versions: Collection[str]) -> Material | None:
    """What the arrays of a stored result are.

    Weights are the states of versions, and what looks like a state: its arrays have the names of a network's, or its
    record tells of a training. Scores, heatmaps, latents and labels of parts are neither.
    """
    try:
        with safe_open(path, "np") as file:
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 - it is no mapping
            shapes = {name: (one.get_dtype(), one.get_shape()) for name, one in slices.items()}
        record = json.loads(read_file(path.with_name(RECORD_FILE)))["record"]
    except (OSError, SafetensorError, ValueError, KeyError, TypeError):
        return "images"  # damaged: nobody can tell that it is none
    if not shapes:
        return None
    if path.parent.name in versions or any("." in name for name in shapes):
        return "weights"
    if any(_is_of_pixels(kind, shape) for kind, shape in shapes.values()):
        return "images"
    trained = _OF_TRAINING & record.keys() or record.keys() == _OF_ENTERING
    return "weights" if trained else None


def _is_of_pixels(kind: str, shape: list[int]) -> bool:
    """Pictures as pools keep them, ``(n, h, w, 3)`` in 8 bits, or as players are shown them, ``(n, 3, h, w)``."""
    if len(shape) < 4:
        return False
    return (kind == "U8" and shape[-1] == 3) or (shape[-3] == 3 and shape[-1] > 1 and shape[-2] > 1)


def _versions(home: Home) -> set[str]:
    """The keys of the results that hold the states of the players of all tournaments."""
    keys = set()
    for name in home.names():
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            told = json.loads(read_file(home.named(name).tournament))["versions"]
            keys |= {str(version["key"]) for version in told}
    return keys


def _to_be_logged_again(path: Path) -> bytes:
    """What is remembered of what was logged, so that playing again logs all of it anew: pictures were left out."""
    try:
        kept: dict[str, dict[str, Any]] = json.loads(read_file(path))
        again = {name: {**state, "contents": 0} if "contents" in state else state for name, state in kept.items()}
        return json.dumps(again, indent=1).encode()
    except (OSError, ValueError, TypeError, AttributeError):
        return read_file(path)


def _portable_database(home: Home, workspace: Path) -> Path:
    """A copy of MLflow's database that says nothing of this machine, in the same bytes wherever the home was."""
    copy, packed = workspace / "copy.db", workspace / home.database.name
    try:
        with contextlib.closing(sqlite3.connect(home.database.resolve(), timeout=10)) as connection:
            connection.execute("VACUUM INTO ?", (str(copy),))
        artifacts = NOWHERE / home.artifacts.name
        move_locations(copy, folder=home.artifacts.name, to=artifacts.as_uri())
        if elsewhere := locations_elsewhere(copy, artifacts):
            raise StoreError(
                f"MLflow in '{home}' keeps artifacts in '{elsewhere[0]}', which is no part of the home and would "
                "be lost; delete these runs and models for good (mlflow gc), or keep them on a server"
            )
        with contextlib.closing(sqlite3.connect(copy)) as connection:
            connection.execute("PRAGMA schema_version = 1")  # it counts how often the database was packed
            connection.execute("VACUUM INTO ?", (str(packed),))
        copy.unlink()
    except sqlite3.Error as error:
        raise StoreError(f"MLflow's database '{home.database}' cannot be read: {one_line(error)}") from error
    return packed


__all__ = ["NOWHERE", "files_of", "pack_files"]
