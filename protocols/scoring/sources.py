"""Where a user's own pictures are: files, folders, and lists of paths; found one after the other, never all at once."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import BinaryIO

from PIL import Image

from fakeoff.arena.errors import DataError
from fakeoff.arena.images.decoding import picture_formats

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
        empty: Folders, of those that were given, without a picture.
        first_empty: The first of them.
        repeated: How often a picture came again: it is judged, and counts, once.
    """

    left_out: int = 0
    empty: int = 0
    first_empty: str = ""
    repeated: int = 0

    def came_past_empty(self, folder: str) -> None:
        """A folder that was given holds no picture."""
        self.empty += 1
        self.first_empty = self.first_empty or folder


def find_pictures(paths: Iterable[str], *, listed: Iterable[str] = (), search: Search | None = None) -> Iterator[Found]:
    """Finds pictures: files as they are named, and those below folders.

    A folder is searched in depth, by name. Hidden files, links, and files whose suffix is of no format that Pillow
    reads by itself are left out there; a file that is named is always given.

    Args:
        paths: Files, folders, and ``-`` for the list.
        listed: What ``-`` stands for: files and folders.
        search: Told what is left out.
    """
    counted = search or Search()
    seen: set[bytes] = set()  # hashes, since paths are long: some 80 bytes a picture
    for path in paths:
        for each in listed if path == LIST else (path,):
            inside = False
            for found in _below(each, counted) if _is_folder(each) else (Found(name=each),):
                inside = True
                place = hashlib.blake2b(os.fsencode(os.path.abspath(found.name)), digest_size=16).digest()  # noqa: PTH100 - see _below
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


@cache
def picture_suffixes() -> frozenset[str]:
    """The suffixes, in small letters, of the formats that are looked for in folders."""
    formats = picture_formats()
    return frozenset(suffix for suffix, kind in Image.registered_extensions().items() if kind in formats)


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
    suffixes = picture_suffixes()
    waiting = [folder]  # folders whose turn is still to come, and files between them; the next one last
    opened = {folder}
    while waiting:
        path = waiting.pop()
        if path not in opened:
            yield Found(name=path)
            continue
        opened.discard(path)
        try:
            with os.scandir(path) as entries:
                inside = sorted(
                    (entry.name, entry.is_dir(follow_symlinks=False))
                    for entry in entries
                    if not entry.name.startswith(".")
                    and not entry.is_symlink()
                    # Pipes and devices would be waited for.
                    and (entry.is_dir(follow_symlinks=False) or entry.is_file(follow_symlinks=False))
                )
        except OSError as error:
            yield Found(name=path, error=f"a folder that cannot be read: {error.strerror}")
            continue
        # No path object for each file: they took as long as all the rest of the search.
        before = str(Path(path) / "x")[:-1]
        for name, is_folder in reversed(inside):
            below = before + name
            if is_folder:
                opened.add(below)
            elif os.path.splitext(name)[1].lower() not in suffixes:  # noqa: PTH122
                search.left_out += 1
                continue
            waiting.append(below)


__all__ = ["LIST", "Found", "Search", "find_pictures", "picture_suffixes", "read_list"]
