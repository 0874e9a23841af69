"""What was done in a folder of extracted videos, as the folder itself says it: a line for each original."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from fakeoff.arena.errors import DataError, FakeoffError
from fakeoff.arena.files import read_file
from fakeoff.arena.images.reals import SPLITS, Split
from fakeoff.arena.videos.encodings import Encoding, parse_encoding
from fakeoff.arena.videos.layout import Collection, Video

MANIFEST = "videos.jsonl"
"""Which videos are done: a line of settings, then a line for each original."""

_TOLD_BY_NAME = 5
_ENDS = 65_536


@dataclass(frozen=True, kw_only=True)
class Extraction:
    """How frames are taken.

    Attributes:
        frames: Of each original, evenly spread over it.
        margin: The side of a crop, in heights or widths of the face's oval; 1.3 is the field's custom.

    Raises:
        FakeoffError: No such margin.
    """

    frames: int = 10
    margin: float = 1.3

    def __post_init__(self) -> None:
        if not 0.5 <= self.margin <= 4:  # written so that it is not true of nan
            raise FakeoffError(f"--margin {self.margin}: give a number from 0.5 to 4, such as 1.3")


@dataclass(frozen=True, kw_only=True)
class OfMethod:
    """What became of a manipulation of an original.

    Attributes:
        method: That made it.
        name: Of the video.
        people: Who is in it.
        frames: That were written.
        missing: Frames of the original after its end.
        masks: That were written.
        masks_missing: Frames that were written of a video with masks, after the end of the masks.
        mask_problem: Why there are no masks, with the file's name; empty where there are, or none were given.
        problem: Why there is nothing; empty where there is.
        encoding: Of the video file; None where it is not known.
    """

    method: str
    name: str
    people: tuple[str, ...] = ()
    frames: int = 0
    missing: int = 0
    masks: int = 0
    masks_missing: int = 0
    mask_problem: str = ""
    problem: str = ""
    encoding: Encoding | None = None

    @classmethod
    def of(cls, video: Video, **found: Any) -> OfMethod:
        """What became of a video."""
        return cls(method=video.method, name=video.name, people=video.people, **found)


@dataclass(frozen=True, kw_only=True)
class Extracted:
    """What became of an original and of its manipulations.

    Attributes:
        original: Its name.
        people: Who is in it.
        own: The split that the collection itself gives it, if any.
        split: Of all of them.
        frames: That were written.
        short: How many frames it has, where that is fewer than were wanted; else 0.
        without_face: Frames in which no face was found; they are left out on both sides.
        manipulations: Of it.
        problem: Why there is nothing; empty where there is.
        files: What tells each file from another, masks too, by :func:`file_of`: one that changed is read again. Of a
            video whose reading has begun and not ended there is none.
        encoding: Of the original's file; None where it is not known.
    """

    original: str
    people: tuple[str, ...] = ()
    own: Split | None = None
    split: Split
    frames: int = 0
    short: int = 0
    without_face: int = 0
    manipulations: tuple[OfMethod, ...] = ()
    problem: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    encoding: Encoding | None = None

    @property
    def problems(self) -> tuple[str, ...]:
        """What could not be read, one line each, with the video's name."""
        mine = [f"original {self.original}: {self.problem}"] if self.problem else []
        for each in self.manipulations:
            mine += [f"{each.method} {each.name}: {each.problem}"] if each.problem else []
            mine += [f"masks of {each.method} {each.name}: {each.mask_problem}"] if each.mask_problem else []
        return tuple(mine)


def file_of(method: str, name: str, *, mask: bool = False) -> str:
    """What a file is called in :attr:`Extracted.files`; ``method`` is empty of an original."""
    return f"{'masks of ' if mask else ''}{method}/{name}"


def fingerprint(path: Path) -> str:
    """What tells a video from another of its name: how large it is, and its beginning and end.

    An index of all frames' sizes is in one or the other, so that another encoding shows; collections are too large to
    read whole at each run. What cannot be read has none; why is said when it is its turn.
    """
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(0)
            hashed = hashlib.sha256(file.read(_ENDS))
            file.seek(max(0, size - _ENDS))
            hashed.update(file.read(_ENDS))
    except OSError:
        return ""
    return f"{size}-{hashed.hexdigest()[:16]}"


def header_of(collection: Collection, settings: Extraction) -> dict[str, Any]:
    """The first line: all that has to be the same in the whole folder."""
    return {"collection": collection.kind, "compression": ",".join(collection.compressions), **asdict(settings)}


def read_manifest(out: Path, header: Mapping[str, Any]) -> dict[str, Extracted]:
    """What was done in a folder, by original; a last line that was cut off by a crash is left out.

    Raises:
        DataError: The folder was made with other settings or of another collection, nothing says what is in it, or a
            line is damaged.
    """
    path = out / MANIFEST
    if not path.exists():
        if images := [name for name in ("real", "fake", "masks") if (out / name).exists()]:
            raise DataError(
                f"'{out}' has a folder '{images[0]}' and no {MANIFEST} that says what is in it: give another --out"
            )
        return {}
    lines = read_file(path).split(b"\n")
    whole = lines[:-1]  # what follows the last line break was cut off by a crash
    before = _parsed(whole[0]) if whole else None
    if before is None:
        raise DataError(f"line 1 of '{path}' is damaged, which says how the folder was made: give another --out")
    _refuse_another(out, before, header)
    return _entries(path, whole)


def read_extracted(out: Path) -> dict[str, Extracted]:
    """What lies in a folder of extracted videos, by original, however it was made; nothing where it is no such folder.

    Raises:
        DataError: A line is damaged.
    """
    path = out / MANIFEST
    return _entries(path, read_file(path).split(b"\n")[:-1]) if path.is_file() else {}


def _entries(path: Path, whole: list[bytes]) -> dict[str, Extracted]:
    done = {}
    for number, line in enumerate(whole[1:], start=2):
        entry = _parsed(line)
        try:
            found = _extracted(entry or {})
        except (KeyError, TypeError, ValueError) as error:
            lacks = f" ({error})" if isinstance(error, ValueError) else ""
            raise DataError(
                f"line {number} of '{path}' is damaged{lacks}: delete it and run again, and its video is read again"
            ) from error
        done[found.original] = found
    return done


def write_manifest(out: Path, header: Mapping[str, Any], results: Iterable[Extracted]) -> None:
    """One line for each original, in order, in place of what was there."""
    path = out / MANIFEST
    partial = path.with_suffix(".partial")
    with writing(path):
        with partial.open("w", encoding="utf-8") as file:
            file.writelines(json.dumps(line) + "\n" for line in (header, *map(asdict, results)))
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)


def append_to_manifest(out: Path, found: Extracted) -> None:
    """A line more: an original is done."""
    with writing(out / MANIFEST), (out / MANIFEST).open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(found)) + "\n")
        file.flush()
        os.fsync(file.fileno())


@contextlib.contextmanager
def held(out: Path) -> Iterator[None]:
    """Holds a folder for one extraction; it is made if it is not there, and not left empty.

    Raises:
        FakeoffError: Another process holds it, or it cannot be made.
    """
    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
        folder = os.open(out, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise FakeoffError(f"another fakeoff writes to '{out}'; wait for it, or give another --out") from error
        try:
            yield
        finally:
            with contextlib.suppress(OSError):  # something was written
                out.rmdir()
    finally:
        os.close(folder)


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Says which file could not be written, and what to do; a full disk names none."""
    try:
        yield
    except OSError as error:
        raise FakeoffError(
            f"'{error.filename or path}' cannot be written ({error.strerror or error}): what was done before is kept; "
            "mend that, by more room on the disk, say, and run the same command again"
        ) from error


def some(names: Iterable[str]) -> str:
    """A few names in words, and how many more there are."""
    every = [*names]
    told = ", ".join(every[:_TOLD_BY_NAME])
    return told if len(every) <= _TOLD_BY_NAME else f"{told} and {len(every) - _TOLD_BY_NAME} more"


def _refuse_another(out: Path, before: Mapping[str, Any], header: Mapping[str, Any]) -> None:
    if not set(header) <= set(before):
        raise DataError(f"'{out}' was made by another Fakeoff, which did not say of what: give another --out")
    other = [name for name in header if before[name] != header[name]]
    if other:
        was = " and ".join(f"{name} = {before[name]}" for name in other)
        now = " and ".join(f"{name} = {header[name]}" for name in other)
        raise DataError(f"'{out}' was made with {was}, and not with {now}: give another --out, or the same settings")


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError):  # no UTF-8, no JSON, a number of thousands of digits
        return None
    return found if isinstance(found, dict) else None


def _extracted(entry: Mapping[str, Any]) -> Extracted:
    """Raises KeyError, TypeError or ValueError where it is no entry."""
    if not entry:
        raise ValueError("it is no JSON object")
    lacking = {"original", "split", "manipulations", "files"} - set(entry)
    if lacking:
        raise ValueError(f"it lacks '{min(lacking)}'")
    manipulations = tuple(
        OfMethod(**{**each, "people": tuple(each["people"]), "encoding": parse_encoding(each.get("encoding"))})
        for each in entry["manipulations"]
    )
    found = Extracted(
        **{
            **entry,
            "manipulations": manipulations,
            "people": tuple(entry["people"]),
            "encoding": parse_encoding(entry.get("encoding")),
        }
    )
    if found.split not in SPLITS or found.own not in (*SPLITS, None):
        raise ValueError("it names no split")
    for name in (found.original, *(part for each in manipulations for part in (each.method, each.name))):
        # Names become paths of what is moved and removed.
        if not isinstance(name, str) or not name or Path(name).name != name or name == "..":
            raise ValueError(f"{name!r} is no name of a video")
    people = [found.people, *(each.people for each in manipulations)]
    if not all(several and all(isinstance(person, str) for person in several) for several in people):
        raise ValueError("it does not say who is in it")
    counts = [found.frames, found.short, *(n for each in manipulations for n in (each.frames, each.masks))]
    if not all(isinstance(count, int) for count in counts):
        raise ValueError("a count is no number")
    if not isinstance(found.files, dict):
        raise ValueError("it names no files")
    return found
