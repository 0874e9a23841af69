"""Networks in TorchScript: a program in a language of PyTorch's own, which its interpreter runs.

``torch.jit.load`` unpickles in C++ and makes tensors, numbers, text and the file's own classes, nothing of Python's; a
file cannot import or call anything there. But its code runs, some of it while it is loaded, and PyTorch has operators
that read and write files. So the code is read first, and every call in it is looked at.
"""

from __future__ import annotations

import ast
import io
import warnings
import zipfile
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from fakeoff.arena.errors import PluginError
from fakeoff.arena.players.checkpoints.limits import said, shown
from fakeoff.detectors.fixed.operators import is_operator, why_refused
from fakeoff.detectors.fixed.program import Program

_MOST_CODE_BYTES = 32 * 2**20
_READ_BYTES = 1 << 20
# What the language has beside operators.
_BUILT_IN = frozenset(
    {"annotate", "bool", "dict", "float", "getattr", "hasattr", "int", "isinstance", "len", "list", "max", "min"}
    | {"print", "range", "str", "tuple", "unchecked_cast", "uninitialized", "zip", "enumerate", "abs", "round", "super"}
)
_CONVERSIONS = frozenset({"NumToTensor", "data", "device", "dtype", "layout", "is_cuda", "unchecked_unwrap_optional"})
# Objects of C++ classes, which PyTorch makes by calling what the file says.
_FOREIGN = b"torch.classes"


class TorchScriptProgram(Program):
    """A module that ``torch.jit.save`` wrote.

    Args:
        content: The file's bytes.
        side: Height and width in pixels of the images that it will be shown: a trace does not say.

    Raises:
        PluginError: It is refused, or cannot be loaded.
    """

    def __init__(self, content: bytes, *, side: int) -> None:
        super().__init__()
        if not side:
            raise PluginError(
                "a model in TorchScript does not say what images it takes, and a trace may be right at one size only; "
                "say which it was made for: side = 224"
            )
        _check_code(content)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*torch.jit.*deprecated", category=FutureWarning)
            warnings.filterwarnings("ignore", message=".*torch.jit.*deprecated", category=DeprecationWarning)
            try:
                module = torch.jit.load(io.BytesIO(content), map_location="cpu")
            except Exception as error:
                raise PluginError(f"PyTorch does not take the model: {said(error)}") from error
        self.module = module.eval()
        for parameter in self.module.parameters():
            parameter.requires_grad_(False)

    def run(self, image: Tensor) -> Tensor:
        # Not rewritten after the first calls: the same image must be given the same score each time.
        with torch.jit.optimized_execution(False):  # type: ignore[attr-defined]
            try:
                out: Any = self.module(image)
            except RuntimeError as error:
                lines = str(error).strip().splitlines() or [""]
                raise PluginError(f"PyTorch could not run the model: {shown(lines[-1])}") from error
        return out[0] if isinstance(out, tuple | list) and out else out  # type: ignore[no-any-return]


def _check_code(content: bytes) -> None:
    for name, text in _records(content):
        if name.endswith(".pkl"):
            if _FOREIGN in text:
                raise PluginError(
                    "the model holds objects of other classes than tensors (quantised weights, for one), which are not "
                    "taken; export it as ONNX"
                )
            continue
        try:
            tree = ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise PluginError(f"the model's code cannot be read: {said(error)}") from error
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                _check_call(node.func)


def _records(content: bytes) -> Iterator[tuple[str, bytes]]:
    """The code, and what is unpickled, by name; all else is held to its check sum, which PyTorch does not look at."""
    left, left_of_others = _MOST_CODE_BYTES, len(content) + _MOST_CODE_BYTES
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for info in archive.infolist():
                name = info.filename.partition("/")[2]
                if not (name.startswith("code/") and name.endswith(".py")) and not name.endswith(".pkl"):
                    left_of_others -= info.file_size
                    if left_of_others < 0:
                        raise PluginError("the model's archive is larger inside than the file by far")
                    with archive.open(info) as file:
                        while file.read(_READ_BYTES):
                            pass
                    continue
                left -= info.file_size
                if left < 0:
                    raise PluginError(f"the model's code is larger than {_MOST_CODE_BYTES // 2**20} MiB")
                with archive.open(info) as file:
                    yield name, file.read(info.file_size)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError, OSError) as error:
        raise PluginError(f"the model's archive cannot be read: {said(error)}") from error


def _check_call(called: ast.expr) -> None:
    match called:
        case ast.Attribute(value=ast.Name(id="torch"), attr=name):
            why = why_refused(name)
        case ast.Attribute(value=ast.Attribute(value=ast.Name(id="ops"), attr=namespace), attr=name):
            taken = namespace == "prim" and name in _CONVERSIONS
            why = "" if taken else f"it is one of {namespace}'s"
        case ast.Attribute(attr=name):
            # A method of the file's own, whose code is looked at, too; but a tensor has all operators as methods.
            why = why_refused(name) if is_operator(name) else ""
        case ast.Name(id=name):
            why = "" if name in _BUILT_IN else "it is none that networks consist of"
        case _:
            name, why = ast.unparse(called), "it has no name"
    if why:
        raise PluginError(f"the model calls the operator '{shown(name)}', and {why}; it is not run")


__all__ = ["TorchScriptProgram"]
