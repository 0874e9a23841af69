"""The file that a home travels in: a zip archive whose first entry says what the others are.

The same contents give the same bytes: entries are sorted, and have neither times nor owners. An archive that comes from
somewhere is hostile until it has shown otherwise: only what its manifest tells is taken, by its size and its sum, and
no name leads out of a folder.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import stat
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from fakeoff import __version__
from fakeoff.arena.errors import ConfigError, StoreError, one_line
from fakeoff.arena.files import open_file
from fakeoff.arena.seeds import digest
from fakeoff.arena.typed import as_record, read_as
from fakeoff.leaderboard.licences import Licence, Material

FORMAT = 1
MANIFEST = "fakeoff-home.json"

_MOST_MANIFEST_BYTES = 256 * 2**20
_MOST_NAME_BYTES = 1000
_MOST_PART_BYTES = 255  # of a file's or folder's name on Linux
_CHUNK = 1 << 20
_NO_TIME = (1980, 1, 1, 0, 0, 0)  # the first that a zip archive knows
_COMPRESSED = (".png", ".webp", ".jpg", ".jpeg", ".gif", ".zip", ".gz")
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED = 0x1


@dataclass(frozen=True, kw_only=True)
class Entry:
    """A file of a home.

    Attributes:
        path: Below the home, with forward slashes.
        bytes: How many.
        sha256: Of them.
    """

    path: str
    bytes: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What an archive says of itself.

    Attributes:
        format: Of the archive.
        fakeoff: The release that packed it.
        left_out: What is not in it that was in the home, or had been left out of that before.
        licences: Of what is in it.
        entries: All else that is in it, by path.
    """

    format: int
    fakeoff: str
    left_out: tuple[Material, ...]
    licences: tuple[Licence, ...]
    entries: tuple[Entry, ...]

    @property
    def total(self) -> int:
        """Bytes of all entries."""
        return sum(entry.bytes for entry in self.entries)

    @property
    def contents(self) -> str:
        """The sha256 of what is in it: the same where two archives hold the same, whatever packed their bytes."""
        return digest([[entry.path, entry.sha256] for entry in self.entries])

    def text(self) -> str:
        """As it stands in the archive."""
        return json.dumps(as_record(self), indent=1, ensure_ascii=False) + "\n"


@dataclass(frozen=True, kw_only=True)
class Packed:
    """A file on its way into an archive.

    Attributes:
        path: Below the home.
        content: Where it lies, or its bytes.
    """

    path: str
    content: Path | bytes

    @contextlib.contextmanager
    def opened(self) -> Iterator[Iterable[bytes]]:
        """Its bytes, some at a time."""
        if isinstance(self.content, bytes):
            yield [self.content]
            return
        with self.content.open("rb") as file:
            yield iter(lambda: file.read(_CHUNK), b"")


def write_archive(
    target: Path, files: Iterable[Packed], *, left_out: Sequence[Material], licences: Sequence[Licence]
) -> Manifest:
    """Writes an archive in one step.

    Args:
        target: The file; it must not be there.
        files: What goes in.
        left_out: What does not.
        licences: Of what goes in.

    Returns:
        Its manifest.

    Raises:
        ConfigError: ``target`` is there, or cannot be written.
        StoreError: A file cannot be read, or changed meanwhile.
    """
    if target.exists():
        raise ConfigError(f"'{target}' is there already; give another name, or remove it")
    ordered = sorted(files, key=lambda file: file.path)
    try:
        entries = tuple(map(_entry, ordered))
    except OSError as error:
        raise StoreError(f"the home cannot be read: {one_line(error)}") from error
    manifest = Manifest(
        format=FORMAT,
        fakeoff=__version__,
        left_out=tuple(left_out),
        licences=tuple(licences),
        entries=entries,
    )
    partial = target.with_name(f".{target.name}.partial")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            with zipfile.ZipFile(partial, "w") as archive:
                archive.writestr(_info(MANIFEST), manifest.text().encode())
                for file, entry in zip(ordered, entries, strict=True):
                    _write(archive, file, entry)
            partial.replace(target)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise ConfigError(f"'{target}' cannot be written: {one_line(error)}; give another FILE") from error
    return manifest


def _entry(file: Packed) -> Entry:
    sha256, count = hashlib.sha256(), 0
    with file.opened() as chunks:
        for chunk in chunks:
            sha256.update(chunk)
            count += len(chunk)
    return Entry(path=file.path, bytes=count, sha256=sha256.hexdigest())


def _info(path: str, size: int = 0) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(path, date_time=_NO_TIME)
    info.create_system = 3  # Unix, wherever it is packed
    info.external_attr = (stat.S_IFREG | 0o644) << 16
    info.compress_type = zipfile.ZIP_STORED if path.lower().endswith(_COMPRESSED) else zipfile.ZIP_DEFLATED
    info.file_size = size
    return info


def _write(archive: zipfile.ZipFile, file: Packed, entry: Entry) -> None:
    sha256 = hashlib.sha256()
    with file.opened() as chunks, archive.open(_info(entry.path, entry.bytes), "w") as out:
        for chunk in chunks:
            sha256.update(chunk)
            out.write(chunk)
    if sha256.hexdigest() != entry.sha256:
        raise StoreError(f"'{entry.path}' changed while the home was packed; pack it again")


class Archive:
    """An archive that is read; use it as a context manager.

    Args:
        path: The file.

    Attributes:
        manifest: What it says of itself; held to the names and sizes that are in it.

    Raises:
        StoreError: It cannot be read, is no archive of a home, or holds what no home has.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._file = open_file(path)
        except FileNotFoundError as error:
            raise StoreError(f"no archive at '{path}'") from error
        except OSError as error:
            raise self._refused(f"it cannot be read ({one_line(error)})") from error
        try:
            self._zip = zipfile.ZipFile(self._file)
            self.manifest = self._read_manifest()
        except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError) as error:
            self._file.close()
            raise self._refused(f"it is no zip archive ({one_line(error)})") from error
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Archive:
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.close()
        self._file.close()

    def extract(self, folder: Path) -> None:
        """Writes all entries into a folder, each held to its size and its sum.

        Args:
            folder: It is empty.

        Raises:
            StoreError: An entry is not what the manifest says, or cannot be written.
        """
        for entry in self.manifest.entries:
            target = folder.joinpath(*entry.path.split("/"))
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                # "x": whatever the names were, nothing is written twice.
                with self._zip.open(entry.path) as source, target.open("xb") as out:
                    self._copy(source, out, entry)
            except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
                raise self._refused(f"'{entry.path}' is damaged") from error
            except OSError as error:
                raise StoreError(f"'{target}' cannot be written: {one_line(error)}") from error

    def _copy(self, source: IO[bytes], out: IO[bytes], entry: Entry) -> None:
        sha256, left = hashlib.sha256(), entry.bytes
        while chunk := source.read(min(_CHUNK, left + 1)):
            left -= len(chunk)
            if left < 0:
                break
            sha256.update(chunk)
            out.write(chunk)
        if left or sha256.hexdigest() != entry.sha256:
            raise self._refused(f"'{entry.path}' is not what its manifest says")

    def _read_manifest(self) -> Manifest:
        infos = self._zip.infolist()
        names = [info.filename for info in infos]
        if MANIFEST not in names:
            raise self._refused(f"it has no {MANIFEST}")
        if len(set(names)) < len(names):
            raise self._refused("two of its entries have the same name")
        for info in infos:
            if why := _why_refused(info):
                raise self._refused(f"its entry '{_shown(info.filename)}' {why}")
        if sum(info.compress_size for info in infos) > self._path.stat().st_size:
            raise self._refused("its entries overlap")
        manifest = self._parse(self._zip.getinfo(MANIFEST))
        sizes = {info.filename: info.file_size for info in infos if info.filename != MANIFEST}
        if len({entry.path for entry in manifest.entries}) < len(manifest.entries):
            raise self._refused("its manifest names an entry twice")
        if sizes != {entry.path: entry.bytes for entry in manifest.entries}:
            raise self._refused("its manifest does not name its entries and their sizes")
        folders = {
            "/".join(parts[:end]) for name in sizes if (parts := name.split("/")) for end in range(1, len(parts))
        }
        if both := folders & sizes.keys():
            raise self._refused(f"'{_shown(min(both))}' is a file and a folder in it")
        return manifest

    def _parse(self, info: zipfile.ZipInfo) -> Manifest:
        if info.file_size > _MOST_MANIFEST_BYTES:
            raise self._refused("its manifest is too large")
        try:
            with self._zip.open(info) as file:
                data = json.loads(file.read(_MOST_MANIFEST_BYTES))
            if data["format"] != FORMAT:
                raise self._refused(f"its format is {data['format']!r:.20}, and this Fakeoff reads {FORMAT}")
            return read_as(Manifest, data)
        except (KeyError, TypeError, ValueError, RecursionError) as error:
            raise self._refused("its manifest cannot be read") from error
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OSError) as error:
            raise self._refused("its manifest is damaged") from error

    def _refused(self, why: str) -> StoreError:
        return StoreError(f"'{self._path}' is not unpacked: {why}")


def free_bytes(folder: Path) -> int:
    """How many bytes can be written below a folder that need not be there."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def _why_refused(info: zipfile.ZipInfo) -> str:
    """Why an entry is none that a home has; empty where it is one."""
    # Of what a zip archive has no word for, zipfile makes something that looks right: the name as it stands counts.
    name = info.orig_filename
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG) or info.is_dir():
        return "is no file"
    if info.flag_bits & _ENCRYPTED:
        return "is encrypted"
    if info.compress_type not in _METHODS:
        return "is compressed in another way than homes are"
    if info.filename != name or not name.isprintable() or "\\" in name:
        return "has a name that no file of a home has"
    try:
        parts = [part.encode() for part in name.split("/")]
    except UnicodeEncodeError:
        return "has a name that no file of a home has"
    if len(name.encode()) > _MOST_NAME_BYTES or any(len(part) > _MOST_PART_BYTES for part in parts):
        return "has too long a name"
    if any(part in (b"", b".", b"..") for part in parts):
        return "leads out of the folder"
    return ""


def _shown(name: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in name[:80])


__all__ = ["FORMAT", "MANIFEST", "Archive", "Entry", "Manifest", "Packed", "free_bytes", "write_archive"]
