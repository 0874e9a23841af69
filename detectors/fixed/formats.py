"""Which format a file is in, by its bytes: a name can say anything."""

from __future__ import annotations

import io
from typing import Literal, TypeAlias

from fakeoff.arena.errors import PluginError
from fakeoff.arena.players.checkpoints.recognising import explain_safetensors, recognise

Format: TypeAlias = Literal["onnx", "torchscript", "exported_program", "safetensors", "keras"]
"""What a file of a network can be."""

PROGRAMS: tuple[Format, ...] = ("onnx", "torchscript", "exported_program")
"""Those that bring the network's graph."""

MOST_BYTES = 2 * 2**30 - 1
"""Of a file: what a protocol buffer may have."""

_KEYS = {"onnx": "ONNX", "torchscript": "TorchScript", "exported_program": "an ExportedProgram"}
_VERSION_OF_ONNX = 0x08  # the tag of the first field of a model: a number, ir_version
_TAKEN = "ONNX, TorchScript, an ExportedProgram, .safetensors or Keras' .h5"
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
    file = io.BytesIO(content)
    found = recognise(file)
    match found.kind:
        case "onnx" | "torchscript" | "exported_program" | "keras":
            return found.kind
        case "safetensors":
            if fault := explain_safetensors(file):
                raise PluginError(f"the .safetensors cannot be read: {fault}")
            return "safetensors"
        case "torch" | "pickle":
            raise PluginError(f"the model cannot be taken: {_CONVERT}")
        case "unknown":
            if content[:1] == bytes([_VERSION_OF_ONNX]):
                return "onnx"
            raise PluginError(f"the model is in no format that is known: give {_TAKEN}")
        case _:
            mend = f"{found.mend}, or give" if found.mend else "give"
            raise PluginError(f"the model is {found.what}; {mend} {_TAKEN}")


def words(found: Format) -> str:
    """A format's name, for people."""
    return _KEYS.get(found, "Keras' .h5" if found == "keras" else ".safetensors")


__all__ = ["MOST_BYTES", "PROGRAMS", "Format", "format_of", "words"]
