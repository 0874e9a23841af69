"""Where a user's own pictures are: files, folders, and lists of paths; found one after the other, never all at once."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from fakeoff.arena.errors import DataError
from fakeoff.arena.images.folders import walk
from fakeoff.arena.images.kinds import has_picture_suffix, kind_by_name
from fakeoff.arena.images.reals import find_files, is_named

LIST = "-"
"""As a path: a list of paths is read from the standard input."""

_READ_BYTES = 1 << 16


@dataclass(frozen=True, kw_only=True)
class Found:
    """A picture file, or what should be one.

    Attributes:
        name: Its path, as given or as found below a folder that was given.
        error: Why it is no use; empty where nothing is known yet.
    """

    name: str
    error: str = ""


@dataclass(kw_only=True)
class Search:
    """What a search came past.

    Attributes:
        left_out: Files in folders whose suffix is of no picture.
        kinds: What these are, as far as their names say it: ``HEIC file``, ``video``.
        empty: Folders, of those that were given, without a picture.
        first_empty: The first of them.
        repeated: How often a picture came again: it is judged, and counts, once.
    """

    left_out: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    empty: int = 0
    first_empty: str = ""
    repeated: int = 0

    def came_past_empty(self, folder: str) -> None:
        """A folder that was given holds no picture."""
        self.empty += 1
        self.first_empty = self.first_empty or folder


def find_pictures(paths: Iterable[str], *, listed: Iterable[str] = (), search: Search | None = None) -> Iterator[Found]:
    """Finds pictures: files as they are named, and those below folders.

    A folder is searched in depth, by name, as :func:`fakeoff.arena.images.folders.walk` does. Files whose suffix is of
    no format that Pillow reads by itself are left out there; a file that is named is always given.

    Args:
        paths: Files, folders, ``orl`` and assets of photographs by their names, and ``-`` for the list.
        listed: What ``-`` stands for: files and folders.
        search: Told what is left out.
    """
    counted = search or Search()
    seen: set[bytes] = set()  # hashes, since paths are long: some 80 bytes a picture
    for path in paths:
        for each in listed if path == LIST else (path,):
            inside = False
            for found in _found(each, counted):
                inside = True
                place = hashlib.blake2b(os.fsencode(os.path.abspath(found.name)), digest_size=16).digest()  # noqa: PTH100 - a path object for each takes as long
                if place in seen:
                    counted.repeated += 1
                    continue
                seen.add(place)
                yield found
            if not inside:
                counted.came_past_empty(each)


def read_list(stream: BinaryIO, *, separator: bytes = b"\n") -> Iterator[str]:
    """Reads a list of paths as it comes in.

    Args:
        stream: Bytes; a path need not be text.
        separator: A line break, before which a carriage return is dropped, or a NUL.

    Raises:
        DataError: It is no list of paths: one entry has no end.
    """
    rest = b""
    # What is there is taken, and not waited for more: whoever writes the list may be slow.
    read = getattr(stream, "read1", stream.read)
    while block := read(_READ_BYTES):
        *whole, rest = (rest + block).split(separator)
        for entry in whole:
            yield from _entry(entry, separator)
        if len(rest) > _READ_BYTES:
            raise DataError(f"an entry of the list is longer than {_READ_BYTES} bytes; give one path a line")
    yield from _entry(rest, separator)


def _found(path: str, search: Search) -> Iterator[Found]:
    if is_named(path):
        yield from (Found(name=entry.path) for entry in find_files(path))
    elif _is_folder(path):
        yield from _below(path, search)
    else:
        yield Found(name=path)


def _is_folder(path: str) -> bool:
    try:
        return Path(path).is_dir()
    except ValueError:  # a NUL in it
        return False


def _entry(entry: bytes, separator: bytes) -> Iterator[str]:
    path = entry.removesuffix(b"\r") if separator == b"\n" else entry
    if path:
        yield os.fsdecode(path)


def _below(folder: str, search: Search) -> Iterator[Found]:
    for entry in walk(folder):
        if entry.stands_for and entry.reason:  # a folder that is walked
            continue
        if not has_picture_suffix(entry.path):
            if entry.reason and not os.path.splitext(entry.path)[1]:  # noqa: PTH122 - perhaps a folder of pictures
                yield Found(name=entry.path, error=entry.reason)
                continue
            search.left_out += 1
            search.kinds.update([kind] if (kind := kind_by_name(entry.path)) else [])
        elif entry.stands_for and has_picture_suffix(entry.stands_for):  # which comes by itself
            search.repeated += 1
        else:
            yield Found(name=entry.path, error=entry.reason)


__all__ = ["LIST", "Found", "Search", "find_pictures", "read_list"]
