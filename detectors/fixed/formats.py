"""Which format a file is in, by its bytes: a name can say anything."""

from __future__ import annotations

import io
import zipfile
from typing import Literal, TypeAlias

from fakeoff.arena.errors import PluginError

Format: TypeAlias = Literal["onnx", "torchscript", "exported_program", "safetensors", "keras"]
"""What a file of a network can be."""

PROGRAMS: tuple[Format, ...] = ("onnx", "torchscript", "exported_program")
"""Those that bring the network's graph."""

MOST_BYTES = 2 * 2**30 - 1
"""Of a file: what a protocol buffer may have."""

_KEYS = {"onnx": "ONNX", "torchscript": "TorchScript", "exported_program": "an ExportedProgram"}
_HDF5 = b"\x89HDF\r\n\x1a\n"
_ZIP = b"PK\x03\x04"
_PICKLE = b"\x80"
_VERSION_OF_ONNX = 0x08  # the tag of the first field of a model: a number, ir_version
_CONVERT = (
    "it is a pickled checkpoint, which names no graph; run: fakeoff weights convert FILE OUT.safetensors, and name its "
    "architecture"
)


def format_of(content: bytes) -> Format:
    """Says which format a file is in.

    Args:
        content: All of it.

    Raises:
        PluginError: None that is taken, or it is too large.
    """
    if len(content) > MOST_BYTES:
        raise PluginError("the model is larger than 2 GiB")
    if content.startswith(_HDF5):
        return "keras"
    if content.startswith(_ZIP):
        return _format_of_archive(content)
    if _is_safetensors(content):
        return "safetensors"
    if content.startswith(_PICKLE):
        raise PluginError(f"the model cannot be taken: {_CONVERT}")
    if content[:1] == bytes([_VERSION_OF_ONNX]):
        return "onnx"
    raise PluginError(
        "the model is in no format that is known: give ONNX, TorchScript, an ExportedProgram, .safetensors or "
        "Keras' .h5"
    )


def words(found: Format) -> str:
    """A format's name, for people."""
    return _KEYS.get(found, "Keras' .h5" if found == "keras" else ".safetensors")


def _is_safetensors(content: bytes) -> bool:
    """A length in eight bytes, and a header of that length in JSON."""
    return content[8:9] == b"{" and int.from_bytes(content[:8], "little") <= len(content) - 8


def _format_of_archive(content: bytes) -> Format:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            names = {name.partition("/")[2] for name in archive.namelist()}
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise PluginError(f"the model is an archive that cannot be read: {error}") from error
    if "archive_format" in names and any(name.startswith("models/") for name in names):
        return "exported_program"
    if "constants.pkl" in names:
        return "torchscript"
    if "data.pkl" in names:
        raise PluginError(f"the model cannot be taken: {_CONVERT}")
    raise PluginError("the model is an archive of neither TorchScript nor an ExportedProgram")


__all__ = ["MOST_BYTES", "PROGRAMS", "Format", "format_of", "words"]
