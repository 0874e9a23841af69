"""What a file is that was given for weights and holds none: told by its bytes, with what to do about it.

A name can say anything: what lies under it may be a pointer of Git LFS, the page of a proxy, or another format.
"""

from __future__ import annotations

import io
import json
import math
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, BinaryIO, Literal, TypeAlias

from fakeoff.arena.players.checkpoints.limits import shown

Kind: TypeAlias = Literal[
    "safetensors",
    "torch",
    "pickle",
    "torchscript",
    "exported_program",
    "onnx",
    "keras",
    "table",
    "text",
    "no weights",
    "unknown",
]
"""Of a file: forms of weights, programs, a JSON table, other text (which an old pickle may
be), what is never weights, and what is not known."""

_BEGINNING, _TAGS = 4096, 200
_LENGTH = 8
_MOST_OF_A_HEADER = 2**32
_LARGEST_HEADER = 100_000_000  # what the library takes
_AGAIN = "copy or download it again"
_CONVERT = "let its name end in .pt, or run: fakeoff weights convert FILE.pt OUT.safetensors"
_ENTER = "enter it as the detector fixed: model = FILE"
_ONNX_VERSION, _LATEST_ONNX, _ONNX_FIELDS = 0x08, 0x40, (0x12, 0x1A, 0x3A, 0x42)
_ZIP = b"PK\x03\x04"
_OTHERS: tuple[tuple[bytes, str, str], ...] = (
    (b"\x1f\x8b", "a gzip archive", "unpack it"),
    (b"\xfd7zXZ\0", "an xz archive", "unpack it"),
    (b"BZh", "a bzip2 archive", "unpack it"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "unpack it"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard archive", "unpack it"),
    (b"Rar!", "a RAR archive", "unpack it"),
    (b"\x93NUMPY", "an array of NumPy's", "save a state dict, by name"),
    (b"GGUF", "a model in GGUF", "give its weights as safetensors"),
    (b"\x89PNG", "a picture (PNG)", ""),
    (b"\xff\xd8\xff", "a picture (JPEG)", ""),
    (b"%PDF", "a PDF", ""),
)
_TAR_MAGIC, _TAR_AT = b"ustar", 257
_BYTES = {
    "BOOL": 1, "U8": 1, "I8": 1, "F8_E4M3": 1, "F8_E5M2": 1, "I16": 2, "U16": 2, "F16": 2, "BF16": 2, "I32": 4,
    "U32": 4, "F32": 4, "I64": 8, "U64": 8, "F64": 8, "C64": 8,
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Recognised:
    """What a file is.

    Attributes:
        kind: In a word.
        what: For people: ``a pointer of Git LFS, not the file itself``.
        mend: What to do where it was given for weights; empty where another file has to be given.
    """

    kind: Kind
    what: str
    mend: str

    def __str__(self) -> str:
        return f"it is {self.what}; {self.mend or 'give the weights'}"


def recognise(file: BinaryIO) -> Recognised:
    """Says what a file is, by its bytes; nothing of it is unpacked or run.

    Args:
        file: Open for reading, and seekable; it is left at its beginning.
    """
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    beginning = file.read(_BEGINNING)
    found = _of_beginning(beginning, size) or (_of_archive(file) if beginning.startswith(_ZIP) else None)
    file.seek(0)
    return found or Recognised(kind="unknown", what="in no format that is known", mend="")


def _of_beginning(beginning: bytes, size: int) -> Recognised | None:
    if not size:
        return _none("an empty file", _AGAIN)
    # First: the length of a header may look like the magic number of something else.
    length = int.from_bytes(beginning[:_LENGTH], "little")
    if beginning[_LENGTH:].lstrip(b" ")[:1] == b"{" and length < _MOST_OF_A_HEADER:
        return Recognised(kind="safetensors", what="safetensors", mend="let its name end in .safetensors")
    if not beginning.strip(b"\0"):
        return _none("full of zeros, at its beginning at least", _AGAIN)
    if beginning.startswith(b"version https://git-lfs.github.com/spec/"):
        fields = dict(line.split(" ", 1) for line in beginning.decode("latin-1").splitlines() if " " in line)
        of = f" to {fields['size']} bytes" if fields.get("size", "").isdigit() else ""
        return _none(f"a pointer of Git LFS{of}, and not the file itself", "run git lfs pull where it was cloned")
    if beginning.startswith((b"/annex/objects/", b"../.git/annex", b".git/annex")):
        return _none("a pointer of git-annex, and not the file itself", "run git annex get")
    for magic, what, mend in _OTHERS:
        if beginning.startswith(magic):
            return _none(what, mend)
    if beginning[_TAR_AT : _TAR_AT + len(_TAR_MAGIC)] == _TAR_MAGIC:
        return _none("a tar archive", "unpack it")
    if beginning.startswith(b"\x89HDF\r\n\x1a\n"):
        return Recognised(kind="keras", what="HDF5, such as Keras' .h5", mend=_ENTER)
    if beginning[1:2] in (b"\2", b"\3", b"\4", b"\5") and beginning[:1] == b"\x80":
        return Recognised(kind="pickle", what="a pickle, such as a PyTorch checkpoint", mend=_CONVERT)
    if _is_onnx(beginning):
        return Recognised(kind="onnx", what="a model in ONNX", mend=_ENTER)
    return _of_text(beginning)


def _of_text(beginning: bytes) -> Recognised | None:
    # A page may be in any encoding; its tags are ASCII.
    small = beginning[:_TAGS].decode("latin-1").lower().removeprefix("\u00ef\u00bb\u00bf").lstrip()
    if small.startswith(("<!doctype html", "<html", "<head", "<body")) or (small.startswith("<") and "<html" in small):
        return _none("a web page (HTML), such as an error or a form to log in", "download the file itself")
    try:
        text = beginning.decode("utf-8-sig").lstrip()
    except UnicodeDecodeError as error:
        if len(beginning) < _BEGINNING or error.start < _BEGINNING - 4:  # else a letter is cut in two
            return None
        text = beginning[: error.start].decode("utf-8-sig").lstrip()
    if not text or any(not letter.isprintable() and letter not in "\r\n\t\f" for letter in text):
        return None
    if text.startswith("<"):
        return _none("XML, such as the error of a store", "download the file itself")
    if text.startswith(("{", "[")):
        what = f"JSON that begins '{shown(text[:60])}'"
        if '"weight_map"' in text:
            what = "the index of weights in several files"
        return Recognised(kind="table", what=what, mend="")
    return Recognised(kind="text", what=f"text that begins '{shown(text[:60])}'", mend="")


def _is_onnx(beginning: bytes) -> bool:
    """A protocol buffer whose first field is a small number, and whose next is one that models have."""
    first, version, second = (*beginning[:3], 0, 0, 0)[:3]
    return first == _ONNX_VERSION and version < _LATEST_ONNX and second in _ONNX_FIELDS


def _of_archive(file: BinaryIO) -> Recognised:
    try:
        with zipfile.ZipFile(file) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, OSError, EOFError) as error:
        return _none(
            f"a ZIP archive (as PyTorch's checkpoints are) that is cut off or damaged ({shown(error)})", _AGAIN
        )
    below = {name.partition("/")[2] for name in names}
    if "archive_format" in below and any(name.startswith("models/") for name in below):
        return _program("exported_program", "an ExportedProgram")
    if "constants.pkl" in below:
        return _program("torchscript", "a TorchScript archive", "or save the state_dict() of what it holds")
    if "data.pkl" in below:
        return Recognised(kind="torch", what="a PyTorch checkpoint", mend=_CONVERT)
    if names and all(name.endswith(".npy") for name in names):
        return _none("arrays of NumPy's (.npz)", "save them as safetensors")
    if "model.weights.h5" in names:
        return _none("a model in Keras' format .keras", "save its weights as .h5, which the detector fixed takes")
    return _none(f"a ZIP archive{_first(names)}, and no checkpoint of PyTorch's", "unpack it")


def _first(names: Iterable[str]) -> str:
    name = next(iter(names), "")
    return f" with '{shown(name)}' in it" if name else " with nothing in it"


def _program(kind: Kind, what: str, more: str = "") -> Recognised:
    return Recognised(kind=kind, what=what, mend=", ".join(filter(None, (_ENTER, more))))


def _none(what: str, mend: str) -> Recognised:
    return Recognised(kind="no weights", what=what, mend=mend)


def explain_safetensors(file: BinaryIO) -> str:
    """Says what is wrong with a ``.safetensors``; empty where nothing is found that is.

    Args:
        file: Open for reading, and seekable; it is left at its beginning.
    """
    size = file.seek(0, io.SEEK_END)
    file.seek(0)
    length = int.from_bytes(file.read(_LENGTH), "little")
    try:
        if size < _LENGTH or length > size - _LENGTH:
            return f"it is cut off: its header has {length:,} bytes, and the whole file {size:,}; {_AGAIN}"
        if length > _LARGEST_HEADER:
            return f"its header has {length:,} bytes, which no weights need; {_AGAIN}"
        return _explain_header(file.read(length), size - _LENGTH - length)
    finally:
        file.seek(0)


def _explain_header(header: bytes, there: int) -> str:
    try:
        table = json.loads(header)
    except (ValueError, RecursionError):
        return f"its header is no JSON; {_AGAIN}"
    if not isinstance(table, dict):
        return f"its header is no table; {_AGAIN}"
    end = 0
    for name, said in table.items():
        if name == "__metadata__":
            continue
        try:
            kind, shape, (first, last) = said["dtype"], said["shape"], said["data_offsets"]
            each, values = _BYTES.get(kind, 0), math.prod(shape)
            end = max(end, last)
        except (KeyError, TypeError, ValueError):
            return f"its header says of '{shown(name)}' neither type, shape nor place; {_AGAIN}"
        if each and values * each != last - first:
            return (
                f"its header lies: '{shown(name)}' ({shown(kind)}, {_as_shape(shape)}) takes {values * each:,} bytes, "
                f"and {last - first:,} are said to be its; write it again with save_file"
            )
    if end > there:
        return f"it is cut off: its header tells of {end:,} bytes of tensors, and {there:,} are there; {_AGAIN}"
    if end < there:
        told = f"it tells of {end:,} bytes of tensors, and {there:,} are there"
        return f"its header lies: {told}; write it again with save_file"
    return ""


def _as_shape(sizes: Any) -> str:
    return shown(" x ".join(map(str, sizes)) or "one number")


__all__ = ["Kind", "Recognised", "explain_safetensors", "recognise"]
