"""What may be made of a checkpoint's globals: this table, and nothing else.

Names are compared whole. None of them is ever imported: what stands behind it is a function of ours that makes the
value from arguments that it checks, and refuses others.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from fakeoff.arena.players.checkpoints.limits import Budget, Unreadable, shown
from fakeoff.arena.players.checkpoints.pickles import Name, Ordered, Rebuild, StandIn
from fakeoff.arena.players.checkpoints.values import (
    NumpyArray,
    NumpyType,
    Storage,
    StoredTensor,
    is_shape,
)

_LATIN = ("latin1", "latin-1")


def _unfit(name: str) -> Unreadable:
    return Unreadable(f"it calls {name} with other arguments than that takes")


def _tensor(arguments: tuple[Any, ...], budget: Budget) -> Any:
    # (storage, offset, size, stride), then whether it wants gradients, hooks and metadata, which are of no use
    if len(arguments) < 4 or not isinstance(arguments[0], Storage):
        raise _unfit("torch._utils._rebuild_tensor")
    storage, offset, shape, stride = arguments[:4]
    return StoredTensor.checked(storage, offset, shape, stride)


def _tensor_of_type(arguments: tuple[Any, ...], budget: Budget) -> Any:
    # as _tensor of an untyped storage, the type at its end
    if len(arguments) < 7 or not isinstance(arguments[0], Storage) or not isinstance(arguments[6], Name):
        raise _unfit("torch._utils._rebuild_tensor_v3")
    storage, offset, shape, stride = arguments[:4]
    named = arguments[6]
    dtype = _DTYPES.get(named.name) if named.module == "torch" else None
    if dtype is None:
        raise Unreadable(f"it has a tensor of the unknown type '{shown(named)}'")
    return StoredTensor.checked(storage, offset, shape, stride, dtype)


def _parameter(arguments: tuple[Any, ...], budget: Budget) -> Any:
    if not arguments or not isinstance(arguments[0], StoredTensor):
        raise _unfit("torch._utils._rebuild_parameter")
    return arguments[0]


def _tensor_with_attributes(arguments: tuple[Any, ...], budget: Budget) -> Any:
    # (function, class, its arguments, attributes), of which only the tensor is taken
    if len(arguments) != 4 or not isinstance(arguments[0], Name) or not isinstance(arguments[2], tuple):
        raise _unfit("torch._tensor._rebuild_from_type_v2")
    rebuild = _TENSORS.get((arguments[0].module, arguments[0].name))
    if rebuild is None:
        raise Unreadable(f"it has a tensor made by the unknown '{shown(arguments[0])}'")
    return rebuild(arguments[2], budget)


def _size(arguments: tuple[Any, ...], budget: Budget) -> Any:
    if len(arguments) != 1 or not is_shape(arguments[0]):
        raise _unfit("torch.Size")
    return arguments[0]


def _ordered(arguments: tuple[Any, ...], budget: Budget) -> Any:
    if not arguments:
        return Ordered()
    pairs = arguments[0]
    made = Ordered()
    if len(arguments) != 1 or not isinstance(pairs, list):
        raise _unfit("collections.OrderedDict")
    for pair in pairs:  # of Python 2
        if not isinstance(pair, list | tuple) or len(pair) != 2 or not isinstance(pair[0], str):
            raise _unfit("collections.OrderedDict")
        made[pair[0]] = pair[1]
    return made


def _set(arguments: tuple[Any, ...], budget: Budget) -> Any:
    if len(arguments) > 1 or (arguments and not isinstance(arguments[0], list | tuple)):
        raise _unfit("set")
    return list(arguments[0]) if arguments else []


def _bytes(arguments: tuple[Any, ...], budget: Budget) -> Any:
    # bytes in protocol 2 are text in Latin-1. A number alone would ask for that many zeros.
    match arguments:
        case ():
            return b""
        case (bytes() as content,):
            return content
        case (str() as text, str() as encoding) if encoding in _LATIN:
            try:
                return text.encode("latin-1")
            except UnicodeEncodeError as error:
                raise _unfit("_codecs.encode") from error
    raise _unfit("_codecs.encode or bytearray")


def _numpy_type(arguments: tuple[Any, ...], budget: Budget) -> Any:
    return NumpyType.made(arguments)


def _numpy_array(arguments: tuple[Any, ...], budget: Budget) -> Any:
    # (class, the shape of an empty array, its type): BUILD says the true ones
    if len(arguments) != 3 or arguments[0] != Name("numpy", "ndarray"):
        raise _unfit("numpy's _reconstruct")
    return NumpyArray()


def _numpy_buffer(arguments: tuple[Any, ...], budget: Budget) -> Any:
    if len(arguments) != 4:
        raise _unfit("numpy's _frombuffer")
    content, dtype, shape, order = arguments
    made = NumpyArray()
    made.fill(shape, dtype, order == "F", bytes(content) if isinstance(content, bytearray) else content)
    return made


def _numpy_scalar(arguments: tuple[Any, ...], budget: Budget) -> Any:
    if len(arguments) != 2 or not isinstance(arguments[0], NumpyType):
        return StandIn("numpy.scalar")
    numbers = arguments[0].numbers(arguments[1])
    if len(numbers) != 1:
        raise _unfit("numpy's scalar")
    return numbers[0].item()


def _old_object(arguments: tuple[Any, ...], budget: Budget) -> Any:
    # (class, base class, the base's state)
    if not arguments or not isinstance(arguments[0], Name):
        raise _unfit("copyreg._reconstructor")
    return StandIn(str(arguments[0]))


def _persistent_object(arguments: tuple[Any, ...], budget: Budget) -> Any:
    # NVIDIA's torch_utils.persistence: a table with the source code of the class, which is not looked at, its name and
    # its state.
    if len(arguments) != 1 or not isinstance(arguments[0], dict):
        raise _unfit("torch_utils.persistence._reconstruct_persistent_obj")
    made = StandIn(f"torch_utils.persistence:{arguments[0].get('class_name', '')}")
    made.state = arguments[0].get("state")
    return made


_DTYPES: dict[str, torch.dtype] = {
    name: value
    for name, value in vars(torch).items()
    if isinstance(value, torch.dtype) and not name.startswith(("q", "bits"))
}

_TENSORS: dict[tuple[str, str], Rebuild] = {
    ("torch._utils", "_rebuild_tensor"): _tensor,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_tensor_v3"): _tensor_of_type,
    ("torch._utils", "_rebuild_parameter"): _parameter,
    ("torch._utils", "_rebuild_parameter_with_state"): _parameter,
}

_OTHERS: dict[tuple[str, str], Rebuild] = {
    ("torch._tensor", "_rebuild_from_type_v2"): _tensor_with_attributes,
    ("torch", "Size"): _size,
    ("collections", "OrderedDict"): _ordered,
    ("builtins", "set"): _set,
    ("builtins", "frozenset"): _set,
    ("__builtin__", "set"): _set,
    ("__builtin__", "frozenset"): _set,
    ("builtins", "bytearray"): _bytes,
    ("__builtin__", "bytearray"): _bytes,
    ("builtins", "bytes"): _bytes,
    ("__builtin__", "bytes"): _bytes,
    ("_codecs", "encode"): _bytes,
    ("copyreg", "_reconstructor"): _old_object,
    ("copy_reg", "_reconstructor"): _old_object,
    ("numpy", "dtype"): _numpy_type,
    ("numpy.core.multiarray", "_reconstruct"): _numpy_array,
    ("numpy._core.multiarray", "_reconstruct"): _numpy_array,
    ("numpy.core.multiarray", "scalar"): _numpy_scalar,
    ("numpy._core.multiarray", "scalar"): _numpy_scalar,
    ("numpy.core.numeric", "_frombuffer"): _numpy_buffer,
    ("numpy._core.numeric", "_frombuffer"): _numpy_buffer,
    ("torch_utils.persistence", "_reconstruct_persistent_obj"): _persistent_object,
}


def rebuilds(load_from_bytes: Callable[[bytes, Budget], Any] | None) -> dict[tuple[str, str], Rebuild]:
    """The table: what is made for which globals, by module and name.

    Args:
        load_from_bytes: Reads a checkpoint in a checkpoint, as ``torch.storage._load_from_bytes`` does: that is how
            tensors lie in plain pickles. None in such an inner one, which has none itself.
    """
    table = _TENSORS | _OTHERS
    if load_from_bytes is None:
        return table

    def nested(arguments: tuple[Any, ...], budget: Budget) -> Any:
        if len(arguments) != 1 or not isinstance(arguments[0], bytes):
            raise _unfit("torch.storage._load_from_bytes")
        return load_from_bytes(arguments[0], budget)

    return table | {("torch.storage", "_load_from_bytes"): nested}


__all__ = ["rebuilds"]
