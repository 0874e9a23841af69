"""The content-addressed store: a result is written once, atomically, and never computed again."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load, save

from fakeoff.arena.errors import StoreError
from fakeoff.arena.jobs import Result
from fakeoff.arena.seeds import canonical_json

_FORMAT = 1


class Store:
    """Results by job key, under ``ROOT/ab/abcdef.../``: ``record.json`` and ``arrays.safetensors``.

    Only the driver writes.

    Args:
        root: The folder; it is made if it is not there.

    Raises:
        StoreError: It was written by a later version of Fakeoff.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(parents=True, exist_ok=True)
        marker = root / "format.json"
        if marker.exists():
            try:
                found = json.loads(marker.read_bytes())["format"]
            except (ValueError, KeyError, TypeError) as error:
                raise StoreError(f"'{marker}' is damaged; use another --home") from error
            if found != _FORMAT:
                raise StoreError(
                    f"the store '{root}' has format {found}, this Fakeoff reads {_FORMAT}; use another --home"
                )
        else:
            write_atomically(marker, json.dumps({"format": _FORMAT}).encode())
        for leftover in root.glob("writing-*"):  # of a driver that was killed
            shutil.rmtree(leftover, ignore_errors=True)

    def __contains__(self, key: str) -> bool:
        return (self._folder(key) / "record.json").is_file()

    def write(self, key: str, result: Result) -> None:
        """Keeps a result; a second write of the same key changes nothing."""
        if key in self:
            return
        arrays = save({name: np.asarray(array, order="C") for name, array in result.arrays.items()})
        record = {"record": dict(result.record), "arrays_sha256": hashlib.sha256(arrays).hexdigest()}
        scratch = Path(tempfile.mkdtemp(prefix="writing-", dir=self.root))
        _write_synced(scratch / "arrays.safetensors", arrays)
        _write_synced(scratch / "record.json", canonical_json(record).encode())
        folder = self._folder(key)
        folder.parent.mkdir(exist_ok=True)
        shutil.rmtree(folder, ignore_errors=True)  # half of a result, that somebody damaged by hand
        scratch.rename(folder)

    def read(self, key: str) -> Result:
        """Reads a result back and checks its bytes.

        Raises:
            StoreError: It is damaged.
        """
        folder = self._folder(key)
        try:
            kept: dict[str, Any] = json.loads((folder / "record.json").read_bytes())
            arrays = (folder / "arrays.safetensors").read_bytes()
            if hashlib.sha256(arrays).hexdigest() != kept["arrays_sha256"]:
                raise ValueError("the arrays do not have the hash that was recorded")
            return Result(record=kept["record"], arrays=load(arrays))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise StoreError(
                f"the stored result '{folder}' is damaged ({error}); delete that folder and run again"
            ) from error

    def record(self, key: str) -> dict[str, Any]:
        """Reads only a result's record.

        Raises:
            StoreError: It is damaged.
        """
        path = self._folder(key) / "record.json"
        try:
            return json.loads(path.read_bytes())["record"]  # type: ignore[no-any-return]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise StoreError(
                f"the stored record '{path}' is damaged ({error}); delete its folder and run again"
            ) from error

    def _folder(self, key: str) -> Path:
        return self.root / key[:2] / key


def write_atomically(path: Path, data: bytes) -> None:
    """Replaces a file in one step: a reader, or a kill, never meets half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    _write_synced(partial, data)
    partial.replace(path)


@contextlib.contextmanager
def locked(home: Path) -> Iterator[None]:
    """Holds a home for one driver.

    Raises:
        StoreError: Another process holds it.
    """
    home.mkdir(parents=True, exist_ok=True)
    with (home / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise StoreError(f"another fakeoff is playing in '{home}'; wait for it, or use another --home") from error
        yield


def _write_synced(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
