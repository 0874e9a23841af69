"""Networks as ExportedProgram (``torch.export.save``, ``.pt2``), read without ``torch.export.load``.

That function unpickles some of what lies in a file, looks operators up by name, and has sizes that are written as text
evaluated. Here the archive is read as what it is: a table of operators in JSON, and weights as plain bytes.
"""

from __future__ import annotations

import io
import json
import math
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from fakeoff.arena.errors import PluginError
from fakeoff.arena.players.checkpoints.limits import MOST_SHARING, said, shown
from fakeoff.detectors.fixed.operators import why_refused
from fakeoff.detectors.fixed.preprocessing import Layout
from fakeoff.detectors.fixed.program import Program

# As PyTorch's schema numbers them, from 1.
_DTYPES = (
    torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.float16, torch.float32, torch.float64,
    torch.complex32, torch.complex64, torch.complex128, torch.bool, torch.bfloat16,
)  # fmt: skip
_MEMORY_FORMATS = (torch.contiguous_format, torch.channels_last, torch.channels_last_3d, torch.preserve_format)
_PLAIN = ("as_int", "as_ints", "as_bool", "as_bools", "as_string")
_TARGET = "torch.ops.aten."
_GET_ITEM = "_operator.getitem"
_KEYWORD = 2
_MOST_JSON_BYTES = 64 * 2**20
_FIXED = "it has sizes that are free; export it with fixed ones, and a batch of 1"


class ExportedNetwork(Program):
    """A graph of PyTorch's operators.

    Args:
        content: The file's bytes.
        layout: Where its channels are.

    Raises:
        PluginError: It is damaged, or has something in it that is not taken.
    """

    def __init__(self, content: bytes, *, layout: Layout) -> None:
        super().__init__()
        try:
            self._read(_Archive(content), layout)
        except (KeyError, IndexError, TypeError, ValueError, AttributeError, RecursionError) as error:
            raise PluginError(f"the ExportedProgram cannot be read: {said(error)}") from error

    def _read(self, archive: _Archive, layout: Layout) -> None:
        module = archive.table("models/model.json")["graph_module"]
        graph, signature = module["graph"], module["signature"]
        stored = archive.tensors("data/weights/", "model_weights_config.json")
        stored |= archive.tensors("data/constants/", "model_constants_config.json")
        self._tensors: dict[str, str] = {}  # names in the graph, and of buffers here
        self._input = ""
        for spec in signature["input_specs"]:
            [(kind, said)] = spec.items()
            if kind == "user_input":
                if self._input:
                    raise PluginError("the model takes several inputs, and a detector is shown one: images")
                self._input = said["arg"]["as_tensor"]["name"]
                continue
            names = {"parameter": "parameter_name", "buffer": "buffer_name", "tensor_constant": "tensor_constant_name"}
            if kind not in names:
                raise PluginError(f"the model has an input of the kind '{shown(kind)}', which is not taken")
            buffer = f"tensor_{len(self._tensors)}"
            self.register_buffer(buffer, stored[said[names[kind]]], persistent=False)
            self._tensors[said["arg"]["name"]] = buffer
        self._nodes = [_Node(node) for node in graph["nodes"]]
        [first, *_] = [spec["user_output"] for spec in signature["output_specs"] if "user_output" in spec]
        self._output: str = first["arg"]["as_tensor"]["name"]
        self.side = _side(graph["tensor_values"][self._input]["sizes"], layout)

    def run(self, image: Tensor) -> Tensor:
        values: dict[str, Any] = {name: getattr(self, buffer) for name, buffer in self._tensors.items()}
        values[self._input] = image
        try:
            for node in self._nodes:
                node.run(values, image.device)
            out: Tensor = values[self._output]
        except (RuntimeError, TypeError, ValueError, KeyError, IndexError) as error:
            raise PluginError(f"PyTorch could not run the model: {said(error)}") from error
        return out


class _Node:
    """One call of an operator.

    Args:
        said: As the file has it.
    """

    def __init__(self, said: Mapping[str, Any]) -> None:
        target = str(said["target"])
        self._operator: Any = None
        if target != _GET_ITEM:
            name, _, overload = target.removeprefix(_TARGET).partition(".")
            why = why_refused(name) if target.startswith(_TARGET) else "it is none of PyTorch's own"
            if why:
                raise PluginError(f"the model calls the operator '{shown(target)}', and {why}; it is not run")
            self._operator = getattr(getattr(torch.ops.aten, name), overload)
            if not isinstance(self._operator, torch._ops.OpOverload):
                raise PluginError(f"the model calls '{shown(target)}', which is no operator; it is not run")
        self._arguments = [(str(one["name"]), one["arg"], one.get("kind") == _KEYWORD) for one in said["inputs"]]
        self._outputs = [_names(one) for one in said["outputs"]]

    def run(self, values: dict[str, Any], device: torch.device) -> None:
        given = [_value(arg, values, device) for _, arg, keyword in self._arguments if not keyword]
        named = {name: _value(arg, values, device) for name, arg, keyword in self._arguments if keyword}
        made = given[0][given[1]] if self._operator is None else self._operator(*given, **named)
        if not self._outputs:  # a check
            return
        if len(self._outputs) == 1:
            made = (made,)
        for name, value in zip(self._outputs, made, strict=False):
            if isinstance(name, str):
                values[name] = value
            else:
                values |= dict(zip(name, value, strict=True))


def _names(output: Mapping[str, Any]) -> str | list[str]:
    if "as_tensors" in output:
        return [str(one["name"]) for one in output["as_tensors"]]
    if "as_tensor" in output:
        return str(output["as_tensor"]["name"])
    if "as_none" in output:
        return ""
    raise PluginError(f"the ExportedProgram is not taken: {_FIXED}")


def _value(arg: Mapping[str, Any], values: Mapping[str, Any], device: torch.device) -> Any:
    [(kind, said)] = arg.items()
    if kind in _PLAIN:
        return said
    match kind:
        case "as_float":  # JSON has no infinity: it is text
            return float(said)
        case "as_floats":
            return [float(one) for one in said]
        case "as_tensor":
            return values[said["name"]]
        case "as_tensors":
            return [values[one["name"]] for one in said]
        case "as_optional_tensors":
            return [None if "as_none" in one else values[one["as_tensor"]["name"]] for one in said]
        case "as_none":
            return None
        case "as_scalar_type":
            return _DTYPES[said - 1]
        case "as_memory_format":
            return _MEMORY_FORMATS[said - 1]
        case "as_layout":
            return torch.strided
        case "as_device":
            return device
        case "as_sym_int" | "as_sym_ints" | "as_sym_float" | "as_sym_bool":
            raise PluginError(f"the ExportedProgram is not taken: {_FIXED}")
    raise PluginError(f"the model passes something of the kind '{shown(kind)}' to an operator, which is not taken")


def _side(sizes: Sequence[Mapping[str, Any]], layout: Layout) -> int:
    lengths = [size.get("as_int") for size in sizes]
    if not all(isinstance(length, int) for length in lengths):
        raise PluginError(f"the ExportedProgram is not taken: {_FIXED}")
    channels, square = ((1,), (2, 3)) if layout == "nchw" else ((3,), (1, 2))
    if len(lengths) != 4 or lengths[0] != 1 or lengths[channels[0]] != 3 or lengths[square[0]] != lengths[square[1]]:
        raise PluginError(
            f"the ExportedProgram takes an input of {' x '.join(map(str, lengths))}, and is shown one square image "
            f'of 3 channels, layout = "{layout}"; export it so'
        )
    return int(lengths[square[0]] or 0)


class _Archive:
    """The records of an archive, which are stored as they are: nothing inflates.

    Args:
        content: The file's bytes.
    """

    def __init__(self, content: bytes) -> None:
        try:
            self._archive = zipfile.ZipFile(io.BytesIO(content))
        except (zipfile.BadZipFile, NotImplementedError) as error:
            raise PluginError(f"the model's archive cannot be read: {said(error)}") from error
        self._left = MOST_SHARING * len(content)
        self._names = {info.filename.partition("/")[2]: info for info in self._archive.infolist()}
        if self.record("byteorder") != b"little":
            raise PluginError("the ExportedProgram was written on a machine of the other byte order; write it anew")

    def record(self, name: str) -> bytes:
        """A record's bytes."""
        info = self._names.get(name)
        if info is None:
            raise PluginError(f"the ExportedProgram has no '{shown(name)}'; save it with torch.export.save, one model")
        if info.compress_type != zipfile.ZIP_STORED:
            raise PluginError(f"the ExportedProgram keeps '{shown(name)}' compressed, which PyTorch does not")
        try:
            return self._archive.read(info)
        except (zipfile.BadZipFile, RuntimeError, EOFError, OSError) as error:
            raise PluginError(f"the ExportedProgram's '{shown(name)}' cannot be read: {error}") from error

    def table(self, name: str) -> dict[str, Any]:
        """A record as JSON."""
        content = self.record(name)
        if len(content) > _MOST_JSON_BYTES:
            raise PluginError(f"the ExportedProgram's '{shown(name)}' is larger than {_MOST_JSON_BYTES // 2**20} MiB")
        table = json.loads(content)
        if not isinstance(table, dict):
            raise TypeError(f"'{name}' is no table")
        return table

    def tensors(self, folder: str, config: str) -> dict[str, Tensor]:
        """The tensors of a folder, by name."""
        return {
            str(name): self._tensor(folder, str(name), said)
            for name, said in self.table(folder + config)["config"].items()
        }

    def _tensor(self, folder: str, name: str, said: Mapping[str, Any]) -> Tensor:
        if said["use_pickle"] or said["tensor_meta"] is None:
            raise PluginError(f"the ExportedProgram keeps '{shown(name)}' pickled, and nothing is unpickled")
        meta = said["tensor_meta"]
        sizes, strides = ([int(one["as_int"]) for one in meta[key]] for key in ("sizes", "strides"))
        offset, dtype = int(meta["storage_offset"]["as_int"]), _DTYPES[meta["dtype"] - 1]
        content = self.record(folder + str(said["path_name"]))
        if len(sizes) != len(strides) or min([offset, *sizes, *strides], default=0) < 0:
            raise PluginError(f"the ExportedProgram's '{shown(name)}' has sizes that cannot be")
        if 0 in sizes:
            return torch.zeros(sizes, dtype=dtype)
        reach = offset + sum((size - 1) * stride for size, stride in zip(sizes, strides, strict=True)) + 1
        if reach * dtype.itemsize > len(content) or math.prod(sizes) * dtype.itemsize > len(content):
            raise PluginError(f"the ExportedProgram's '{shown(name)}' is larger than its record")
        self._left -= len(content)
        if self._left < 0:
            raise PluginError(
                "the ExportedProgram's tensors are larger than the file: most would be the same bytes again"
            )
        whole = torch.frombuffer(bytearray(content), dtype=dtype, count=len(content) // dtype.itemsize)
        return whole.as_strided(sizes, strides, offset).clone()


__all__ = ["ExportedNetwork"]
