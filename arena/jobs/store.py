"""The content-addressed store: a result is written once, atomically, and never computed again."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shlex
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from safetensors import safe_open
from safetensors.numpy import load, save, save_file

from fakeoff.arena.errors import StoreError, one_line
from fakeoff.arena.files import open_file, read_file
from fakeoff.arena.jobs import Result
from fakeoff.arena.seeds import canonical_json, digest
from fakeoff.arena.typed import read_as

F = TypeVar("F")


class DamagedResultError(StoreError):
    """A stored result whose bytes are not those that were written.

    Attributes:
        key: Of the result.
    """

    def __init__(self, key: str, message: str) -> None:
        super().__init__(message)
        self.key = key


_FORMAT = 2
_WITHOUT_CHECKSUM = 1  # up to 0.4: a record had none, and an entry did not know its own key
_WRITING = "writing-"

_MAPPED_FROM = 1 << 22
"""Bytes of a result's arrays from which they are left on the disk."""

RECORD_FILE = "record.json"
ARRAYS_FILE = "arrays.safetensors"
LEFT_OUT_FILE = "left-out"
"""In the place of an entry's arrays where they were left out of an archive: what they are, such as ``images``."""


class LeftOutError(DamagedResultError):
    """A stored result whose arrays were left out when its home was packed."""


class Store:
    """Results by job key, under ``ROOT/ab/abcdef.../``: ``record.json`` and ``arrays.safetensors``.

    ``KEY:NAME`` stands for a part of a result: its record, and of its arrays that of this name alone, as ``images``.
    Only the driver writes; opening and reading leaves every byte as it is, so that a home can be looked at while it
    is played in.

    Args:
        root: The folder; the first write makes it if it is not there.

    Raises:
        StoreError: It was written by a later version of Fakeoff.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._marker = root / "format.json"
        self._checked = True
        try:
            found = json.loads(read_file(self._marker))["format"]
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            raise StoreError(f"'{self._marker}' cannot be read: {one_line(error)}") from error
        except (ValueError, KeyError, TypeError) as error:
            raise StoreError(f"'{self._marker}' is damaged; use another --home") from error
        if found not in (_FORMAT, _WITHOUT_CHECKSUM):
            raise StoreError(f"the store '{root}' has format {found}, this Fakeoff reads {_FORMAT}; use another --home")
        self._checked = found == _FORMAT

    def sweep(self) -> None:
        """Removes what a driver that was killed left half written; for who holds the home's lock."""
        for leftover in self.root.glob(f"{_WRITING}*"):
            shutil.rmtree(leftover, ignore_errors=True)

    def place(self, key: str) -> Path:
        """The folder of a result; it need not be there."""
        return self._folder(key.partition(":")[0])

    def __contains__(self, key: str) -> bool:
        folder = self._folder(key.partition(":")[0])
        return (folder / RECORD_FILE).is_file() and not (folder / LEFT_OUT_FILE).is_file()

    def left_out(self) -> list[str]:
        """What arrays of results were left out when the home was packed, in words: ``images``, ``weights``."""
        return sorted({path.read_text() for path in self.root.glob(f"*/*/{LEFT_OUT_FILE}")})

    def write(self, key: str, result: Result) -> None:
        """Keeps a result; a second write of the same key changes nothing.

        Raises:
            StoreError: The folder cannot be written; or the arrays were left out before, and what was computed again
                are others.
        """
        if key in self:
            return
        arrays = {name: np.asarray(array, order="C") for name, array in result.arrays.items()}
        record = json.loads(canonical_json(dict(result.record)))  # as it will be read: its checksum is of that
        if not self._marker.exists():
            write_atomically(self._marker, json.dumps({"format": _FORMAT}).encode())
        with _writing(self.root):
            scratch = Path(tempfile.mkdtemp(prefix=_WRITING, dir=self.root))
            kept: dict[str, Any] = {"record": record, "arrays_sha256": _write_arrays(scratch / ARRAYS_FILE, arrays)}
            kept["sha256"] = _checksum(key, kept)
            try:
                self._check_what_was_left_out(key, kept["arrays_sha256"])
            except StoreError:
                shutil.rmtree(scratch)
                raise
            _write_synced(scratch / RECORD_FILE, canonical_json(kept).encode())
            folder = self._folder(key)
            folder.parent.mkdir(exist_ok=True)
            shutil.rmtree(folder, ignore_errors=True)  # half of a result, that somebody damaged by hand
            scratch.rename(folder)

    def read(self, key: str) -> Result:
        """Reads a result, or a part of one, back and checks its bytes.

        Large arrays stay on the disk: what is used of them is read when it is used.

        Raises:
            DamagedResultError: It is damaged, or not there.
        """
        key, _, part = key.partition(":")
        kept = self._kept(key)
        folder = self._folder(key)
        try:
            if (folder / LEFT_OUT_FILE).is_file():
                raise self._missing(key)
            loaded = _read_arrays(folder / ARRAYS_FILE, sha256=kept["arrays_sha256"])
            return Result(record=kept["record"], arrays={"images": loaded[part]} if part else loaded)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise self._damaged(key, error) from error

    def record(self, key: str) -> dict[str, Any]:
        """Reads only a result's record.

        Raises:
            DamagedResultError: It is damaged, or not there.
        """
        return self._kept(key.partition(":")[0])["record"]  # type: ignore[no-any-return]

    def figures(self, key: str, kind: type[F]) -> F:
        """Reads a result's record as what it is.

        Args:
            key: Of the result.
            kind: A dataclass with the record's fields.

        Raises:
            DamagedResultError: It is damaged, not there, or something else.
        """
        try:
            return read_as(kind, self.record(key))
        except ValueError as error:
            raise self._damaged(key, error) from error

    def discard(self, key: str) -> None:
        """Takes a damaged result away, so that it can be computed again; for who holds the home's lock."""
        shutil.rmtree(self._folder(key.partition(":")[0]), ignore_errors=True)

    def _kept(self, key: str) -> dict[str, Any]:
        try:
            kept: dict[str, Any] = json.loads(read_file(self._folder(key) / RECORD_FILE))
            if ("sha256" in kept or self._checked) and kept["sha256"] != _checksum(key, kept):
                raise ValueError("record, key and hash of the arrays do not have the checksum that was recorded")
            if not isinstance(kept["record"], dict):
                raise TypeError("its record is no table")
            return kept
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise self._damaged(key, error) from error

    def _missing(self, key: str) -> LeftOutError:
        what = read_file(self._folder(key) / LEFT_OUT_FILE).decode()
        return LeftOutError(
            key,
            f"{what} were left out when '{self.root.parent}' was packed; they are computed again with: "
            f"fakeoff run --home {shlex.quote(str(self.root.parent))}",
        )

    def _check_what_was_left_out(self, key: str, sha256: str) -> None:
        """What was scored are the arrays that were left out: figures would be told of others."""
        marker = self._folder(key) / LEFT_OUT_FILE
        if marker.is_file() and self._kept(key)["arrays_sha256"] != sha256:
            raise StoreError(
                f"the {marker.read_text()} that were left out of '{self.root.parent}' come out otherwise here, on "
                "another machine or with other releases: figures would be of others; ask for an archive with them, or "
                f"play it in a home of its own: fakeoff reproduce "
                f"{shlex.quote(str(self.root.parent / 'scoreboard.json'))}"
            )

    def _damaged(self, key: str, error: Exception) -> DamagedResultError:
        return DamagedResultError(
            key,
            f"the stored result '{self._folder(key)}' is damaged ({one_line(error)}); play again to compute it anew",
        )

    def _folder(self, key: str) -> Path:
        return self.root / key[:2] / key


def _checksum(key: str, kept: dict[str, Any]) -> str:
    """One for the entry's own key, its record and its arrays: none of them can change, or change places, alone."""
    return digest([key, kept["record"], kept["arrays_sha256"]])


def write_atomically(path: Path, data: bytes) -> None:
    """Replaces a file in one step: a reader, or a kill, never meets half of it.

    Of a link the file that it leads to is replaced. What is there and no file, as a device, stays: who may do anything
    would have it replaced by a file.

    Raises:
        StoreError: It cannot be written, or something else is there.
    """
    with _writing(path):
        path = path.resolve() if path.is_symlink() else path
        if path.exists() and not path.is_file():
            raise FileExistsError("something is there that is no file")
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.partial")
        _write_synced(partial, data)
        partial.replace(path)


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(f"'{path}' cannot be written: {one_line(error)}") from error


def _write_arrays(path: Path, arrays: Mapping[str, npt.NDArray[Any]]) -> str:
    """Writes arrays, and returns the hash of the file. Large ones are not copied for it."""
    if sum(array.nbytes for array in arrays.values()) <= _MAPPED_FROM:
        data = save(dict(arrays))
        _write_synced(path, data)
        return hashlib.sha256(data).hexdigest()
    save_file(dict(arrays), path)
    with path.open("rb+") as file:
        os.fsync(file.fileno())
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read_arrays(path: Path, *, sha256: str) -> dict[str, npt.NDArray[Any]]:
    """Reads arrays and checks the file's hash; large ones are mapped from the disk, and cannot be written to.

    Raises:
        OSError: It cannot be read.
        ValueError: It is damaged.
    """
    with open_file(path) as file:
        if os.fstat(file.fileno()).st_size <= _MAPPED_FROM:
            data = file.read()
            found = hashlib.sha256(data).hexdigest()
        else:
            data = b""
            found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != sha256:
        raise ValueError("the arrays do not have the hash that was recorded")
    if data:
        return load(data)
    # Through PyTorch: safetensors copies what it hands to NumPy, and maps what it hands to it.
    with safe_open(path, framework="pt") as mapped:
        arrays = {name: mapped.get_tensor(name).numpy() for name in mapped.keys()}  # noqa: SIM118 - it is no mapping
    for array in arrays.values():
        array.setflags(write=False)
    return arrays


def _write_synced(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
