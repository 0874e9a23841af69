"""The files that checkpoints come in: plain pickles, and PyTorch's two formats.

PyTorch writes a ZIP archive with one pickle and a record for each storage, uncompressed (since 1.6); before that five
pickles in a row (a magic number, a version, what the machine was like, the objects, the storages' keys), then the
bytes of each storage behind their number. A tensor in a plain pickle holds its storage in that older format, inside.
"""

from __future__ import annotations

import io
import struct
import zipfile
from typing import Any

from fakeoff.arena.players.checkpoints.limits import MOST_OPCODES, Budget, Unreadable, shown
from fakeoff.arena.players.checkpoints.pickles import PickleMachine
from fakeoff.arena.players.checkpoints.rebuilding import rebuilds
from fakeoff.arena.players.checkpoints.values import Storage, is_count, storage_dtype

_ZIP = b"PK\x03\x04"
_LOCAL_HEADER = 30
_MAGIC = 0x1950A86A20F9469CFC6C
_MOST_MEMBERS = 100_000


def read_objects(content: bytes) -> Any:
    """Reads a file's objects, inertly.

    Args:
        content: All of the file.

    Raises:
        Unreadable: It is no such file, is cut off, or asks for what is not given.
    """
    budget = Budget(MOST_OPCODES)
    if content.startswith(_ZIP):
        return _read_archive(content, budget)
    return _read_pickles(content, budget, nested=False)


def _read_storage(content: bytes, budget: Budget) -> Storage:
    """What ``torch.storage._load_from_bytes`` is given: a checkpoint of one storage, in the older format."""
    storage = _read_pickles(content, budget, nested=True)
    if not isinstance(storage, Storage):
        raise Unreadable("it has a checkpoint in its pickle that is no storage")
    return storage


def _read_pickles(content: bytes, budget: Budget, *, nested: bool) -> Any:
    file = io.BytesIO(content)
    table = rebuilds(None if nested else _read_storage)
    first = PickleMachine(table, budget=budget).run(file)
    if type(first) is not int or first != _MAGIC:
        if nested:
            raise Unreadable("it has a storage in its pickle that is in no format of PyTorch")
        return first
    storages: dict[str, Storage] = {}

    def persistent(said: Any) -> Storage:
        match said:
            case ("storage", kind, str() as key, str(), count, None) if is_count(count):
                pass
            case ("storage", kind, str() as key, str(), count) if is_count(count):
                pass
            case _:
                raise Unreadable("it refers to a storage otherwise than PyTorch does")
        dtype = storage_dtype(kind)
        known = storages.setdefault(key, Storage(dtype, count))
        if (known.dtype, known.count) != (dtype, count):
            raise Unreadable("it describes one storage in two ways")
        return known

    plain = PickleMachine(table, budget=budget)
    version, system = plain.run(file), plain.run(file)
    if version != 1001 or not isinstance(system, dict) or system.get("little_endian") is not True:
        raise Unreadable("it is a PyTorch checkpoint of another version, or of a machine of another byte order")
    objects = PickleMachine(table, persistent=persistent, budget=budget).run(file)
    keys = plain.run(file)
    if not isinstance(keys, list) or not all(isinstance(key, str) and key in storages for key in keys):
        raise Unreadable("it lists storages that it does not have")
    view = memoryview(content)
    at = file.tell()
    for key in keys:
        (count,) = struct.unpack_from("<q", content, at) if at + 8 <= len(content) else (-1,)
        storage = storages[key]
        if count != storage.count:
            raise Unreadable("it is cut off, or says two numbers of a storage's values")
        storage.fill(view[at + 8 : at + 8 + storage.size])
        at += 8 + storage.size
    return objects


def _read_archive(content: bytes, budget: Budget) -> Any:
    try:
        members = zipfile.ZipFile(io.BytesIO(content)).infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError, struct.error, UnicodeDecodeError, OSError) as error:
        raise Unreadable(f"its archive is damaged or cut off ({shown(error)})") from error
    if len(members) > _MOST_MEMBERS:
        raise Unreadable(f"its archive has more than {_MOST_MEMBERS} members")
    archive = {member.filename: member for member in members}
    roots = [name.removesuffix("data.pkl") for name in archive if name.endswith("/data.pkl") and name.count("/") == 1]
    if len(roots) != 1:
        raise Unreadable("it is an archive, but none that PyTorch writes: there is no data.pkl in it")
    (root,) = roots
    if f"{root}constants.pkl" in archive:
        raise Unreadable("it is a TorchScript archive; save the state_dict() of what it holds")
    if (order := f"{root}byteorder") in archive and bytes(_member(content, archive[order])) != b"little":
        raise Unreadable("it was written on a machine of another byte order")
    storages: dict[str, Storage] = {}

    def persistent(said: Any) -> Storage:
        match said:
            case ("storage", kind, str() as key, str(), count) if is_count(count):
                pass
            case _:
                raise Unreadable("it refers to a storage otherwise than PyTorch does")
        dtype = storage_dtype(kind)
        if key not in storages:
            member = archive.get(f"{root}data/{key}")
            if member is None:
                raise Unreadable(f"there is no storage '{shown(key)}' in its archive")
            storages[key] = Storage(dtype, count, _member(content, member))
        if (storages[key].dtype, storages[key].count) != (dtype, count):
            raise Unreadable("it describes one storage in two ways")
        return storages[key]

    pickled = io.BytesIO(_member(content, archive[f"{root}data.pkl"]))
    return PickleMachine(rebuilds(None), persistent=persistent, budget=budget).run(pickled)


def _member(content: bytes, member: zipfile.ZipInfo) -> memoryview:
    """A member's bytes where they lie in the file: nothing is inflated, and nothing is longer than the file."""
    where = f"'{shown(member.filename)}' in its archive"
    if member.compress_type != zipfile.ZIP_STORED or member.compress_size != member.file_size or member.flag_bits & 1:
        raise Unreadable(f"{where} is compressed or encrypted, which PyTorch never does")
    header = content[member.header_offset : member.header_offset + _LOCAL_HEADER]
    if len(header) < _LOCAL_HEADER or not header.startswith(_ZIP):
        raise Unreadable(f"{where} is not where the archive says")
    name, extra = struct.unpack("<HH", header[26:30])
    start = member.header_offset + _LOCAL_HEADER + name + extra
    view = memoryview(content)[start : start + member.file_size]
    if len(view) != member.file_size:
        raise Unreadable(f"{where} is cut off")
    return view


__all__ = ["read_objects"]
