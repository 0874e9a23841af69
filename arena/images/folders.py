"""The one walker of folders: which files are in a folder, in what order, and what is left out and why.

Hidden files and what systems strew in (``Thumbs.db``, ``__MACOSX``) are passed by without a word. A link is followed
where it stays in the folder that was given. Pipes and devices are never opened.
"""

from __future__ import annotations

import os
import stat
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fakeoff.arena.images.kinds import has_picture_suffix
from fakeoff.arena.images.splits import has_split_folder

_STREWN = frozenset(
    ("thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx", "@eadir", "$recycle.bin", "system volume information")
)
_TURNS_TEXT = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """A file that is not used, and why."""

    name: str
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """What a walk came to.

    Attributes:
        name: Below the folder, with forward slashes; it can be printed.
        path: Where it lies, as the system names it; the folder as it was given comes first.
        reason: Why it is no use; empty of a regular file, of which nothing else is known.
        stands_for: Of a link, the name below the folder of what it leads to, where that is walked, too; else empty.
            With a reason it is a folder, of which nothing is missed.
        linked: Whether links lead to it.
    """

    name: str
    path: str
    reason: str = ""
    stands_for: str = ""
    linked: bool = False


def walk(root: str | Path) -> Iterator[Entry]:
    """Walks a folder in depth, by name, one file after the other.

    Args:
        root: The folder; it may be a link itself.

    Yields:
        Regular files, and what is left out with its reason. A link to a file that is there, too, comes as well, and
        says for what it stands; a link to a folder that is walked anyway is left out.
    """
    top = os.fspath(root)
    real_top = os.path.realpath(top)
    followed: set[str] = set()
    before = str(Path(top) / "x")[:-1]  # no path object for each file: they take as long as all the rest of a walk
    waiting = [Entry(name="", path=top)]
    folders = {""}
    while waiting:
        entry = waiting.pop()
        if entry.reason or entry.name not in folders:
            yield entry
            continue
        folders.discard(entry.name)
        try:
            with os.scandir(entry.path) as found:
                inside = sorted((one for one in found if not is_passed_by(one.name)), key=lambda one: one.name)
        except OSError as error:
            reason = f"a folder that cannot be read: {error.strerror}"
            yield Entry(name=entry.name or ".", path=entry.path, reason=reason)
            continue
        names = f"{entry.name}/" if entry.name else ""
        paths = f"{entry.path}/" if entry.name else before
        listed = []
        for one in inside:
            below = _below(one, names + printable(one.name), paths + one.name, entry.linked, real_top, followed)
            if not below.reason and one.is_dir():
                folders.add(below.name)
            listed.append(below)
        waiting += reversed(listed)


def list_files(root: str | Path) -> list[Entry]:
    """A folder's files and what is left out, as :func:`walk` comes to them, each picture under one name.

    Where a link leads to a file that is there, too, the link is left out; but it takes its place if the file is not
    called as a picture, as in a hub's cache (``snapshots/x.jpg -> ../blobs/0a1b``), or if only the link lies in a
    folder of a split.
    """
    entries = list(walk(root))
    named = {entry.name: entry for entry in entries if not entry.reason and not entry.stands_for}
    standing = [entry for entry in entries if entry.stands_for in named]
    replaced = {entry.stands_for: entry for entry in reversed(standing) if _names_it_better(entry)}
    kept = []
    for entry in entries:
        if entry.name in replaced and not entry.stands_for:
            continue
        first = replaced.get(entry.stands_for)
        if entry.stands_for in named and first is not entry:
            where = entry.stands_for if first is None else first.name
            kept.append(Entry(name=entry.name, path=entry.path, reason=f"a link to the same picture as {where}"))
        else:
            kept.append(entry)
    return kept


def is_passed_by(name: str) -> bool:
    """Whether a file or folder is hidden, or strewn in by a system, and so never looked at."""
    return name.startswith(".") or name.lower() in _STREWN


def printable(name: str) -> str:
    """A name that can be shown and kept: bytes that are no text and letters that command a terminal are written out."""
    if name.isascii() and name.isprintable():
        return name
    return "".join(_written_out(letter) for letter in name)


def _written_out(letter: str) -> str:
    if "\udc80" <= letter <= "\udcff":  # how Python carries a byte that is no UTF-8
        return f"\\x{ord(letter) - 0xDC00:02x}"
    if unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") or letter in _TURNS_TEXT:
        return letter.encode("unicode_escape").decode()
    return letter


def _below(one: os.DirEntry[str], name: str, path: str, linked: bool, real_top: str, followed: set[str]) -> Entry:
    """What is in a folder: a folder or a regular file to go on with, or something that is left out."""
    try:
        if not one.is_symlink():
            if one.is_dir(follow_symlinks=False) or one.is_file(follow_symlinks=False):
                return Entry(name=name, path=path, linked=linked)
            return Entry(name=name, path=path, reason=_what_else(one.stat(follow_symlinks=False).st_mode))
        target = os.path.realpath(path)
        if not os.path.exists(target):  # noqa: PTH110 - see walk
            return Entry(name=name, path=path, reason="a link to what is not there")
        if not one.is_dir() and not one.is_file():
            return Entry(name=name, path=path, reason=f"a link to {_what_else(one.stat().st_mode)}")
        if target != real_top and not target.startswith(real_top.rstrip(os.sep) + os.sep):
            return Entry(
                name=name, path=path, reason="a link out of the folder: give a folder that holds both, or copy it in"
            )
        parts = Path(target).relative_to(real_top).parts
        walked = not any(is_passed_by(part) for part in parts)
        inside = printable("/".join(parts)) or "."
        if not one.is_dir():
            return Entry(name=name, path=path, stands_for=inside if walked else "", linked=True)
        if walked or target in followed or _holds(target, path):
            reason = f"a link to the folder '{inside}', which is read once"
            return Entry(name=name, path=path, reason=reason, stands_for=inside)
        followed.add(target)
        return Entry(name=name, path=path, linked=True)
    except OSError as error:
        return Entry(name=name, path=path, reason=f"cannot be read: {error.strerror}")


def _holds(folder: str, path: str) -> bool:
    """Whether a folder holds a file, links followed: a way into it would be one without an end."""
    lies_in = os.path.realpath(os.path.dirname(path))  # noqa: PTH120 - see walk
    return (lies_in + os.sep).startswith(folder.rstrip(os.sep) + os.sep)


def _what_else(mode: int) -> str:
    if stat.S_ISFIFO(mode):
        return "a pipe"
    return "a socket" if stat.S_ISSOCK(mode) else "a device"


def _names_it_better(link: Entry) -> bool:
    if not has_picture_suffix(link.stands_for):
        return has_picture_suffix(link.name)
    return has_split_folder(link.name) and not has_split_folder(link.stands_for)


__all__ = ["Entry", "LeftOut", "is_passed_by", "list_files", "printable", "walk"]
