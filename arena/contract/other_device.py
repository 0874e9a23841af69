"""Another device, for a player to be moved to: a real one where there is one, a simulated one where there is none.

The simulated device holds its tensors in ordinary memory and remembers which are *there*. It reports itself as
``cuda:0``, and refuses what a real one refuses: an operation on tensors of both places, a CPU generator that is to
draw there, numpy on what lies there.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.overrides import TorchFunctionMode
from torch.utils import _pytree as pytree

_THERE = torch.device("cuda", 0)
_CPU = torch.device("cpu")

# Tensors of both places may meet in these: to copy, and to index by what lies on the CPU.
_MIXES = frozenset(
    {"copy_", "__getitem__", "__setitem__", "index_put_", "type_as", "_has_compatible_shallow_copy_type"}
)
# One of its results lies on the CPU wherever its arguments do.
_NOT_SIMULATED = frozenset({"_pack_padded_sequence"})
_SET_DATA = Tensor.data.__set__  # type: ignore[attr-defined]
_READS_BYTES = frozenset({"numpy", "__array__"})


class DeviceMismatch(RuntimeError):  # noqa: N818 - what torch raises there
    """An operation that a real device would refuse.

    Attributes:
        operation: Its name.
        strays: The tensors that lie on the CPU.
        draws: Whether it was a CPU generator that was to draw on the device.
    """

    def __init__(self, message: str, *, operation: str, strays: tuple[Tensor, ...] = (), draws: bool = False) -> None:
        super().__init__(message)
        self.operation = operation
        self.strays = strays
        self.draws = draws


@contextlib.contextmanager
def elsewhere() -> Iterator[torch.device]:
    """Gives a device that is not the CPU; move players and tensors there, and use them inside only."""
    if real := real_device():
        yield real
        return
    with warnings.catch_warnings(), _SimulatedDevice():
        warnings.simplefilter("ignore")  # torch's own about a device that is not there
        yield _THERE


def real_device() -> torch.device | None:
    """The device that this machine has beside its CPU, if any."""
    if torch.cuda.is_available():
        return torch.device("cuda", 0)
    return torch.device("mps", 0) if torch.backends.mps.is_available() else None


class _SimulatedDevice(TorchFunctionMode):
    """Sees every call of torch, also those that read a property."""

    def __init__(self) -> None:
        super().__init__()
        # Weak references keep an address from being given to another storage, without keeping its memory.
        self._there: set[StorageWeakRef] = set()
        self._reports: dict[Any, Callable[[bool], Any]] = {
            Tensor.device.__get__: lambda there: _THERE if there else _CPU,
            Tensor.is_cuda.__get__: lambda there: there,  # type: ignore[attr-defined]
            Tensor.is_cpu.__get__: lambda there: not there,  # type: ignore[attr-defined]
            Tensor.get_device: lambda there: 0 if there else -1,
        }

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        if func in self._reports:
            return self._reports[func](self._is_there(args[0]))
        name = getattr(func, "__name__", str(func))
        if func == _SET_DATA:
            return func(*args, **kwargs)
        if func in (Tensor.to, Tensor.cuda, Tensor.cpu):
            return self._move(name, *args, **kwargs)
        if name in _NOT_SIMULATED:
            raise NotImplementedError(f"{name} is not simulated")
        leaves = pytree.tree_leaves((args, kwargs))
        tensors = [leaf for leaf in leaves if isinstance(leaf, Tensor)]
        there = any(self._is_there(tensor) for tensor in tensors)
        target = kwargs.get("device")
        if target is not None:
            kwargs["device"] = _CPU
        draws_there = _names_the_device(target) if target is not None else there
        if draws_there and any(isinstance(leaf, torch.Generator) for leaf in leaves):
            raise DeviceMismatch(
                f"{name} was to draw on {_THERE} with a generator of the CPU", operation=name, draws=True
            )
        if there and name in _READS_BYTES:
            raise DeviceMismatch(f"{name} was asked for the bytes of a tensor on {_THERE}", operation=name)
        # torch lets numbers pass, tensors without dimensions, from the CPU to anywhere.
        strays = tuple(tensor for tensor in tensors if tensor.ndim and not self._is_there(tensor))
        indexed_from_there = name == "__getitem__" and not self._is_there(args[0])
        if there and strays and target is None and (name not in _MIXES or indexed_from_there):
            raise DeviceMismatch(f"{name} was given tensors of {_THERE} and of cpu", operation=name, strays=strays)
        result = func(*args, **kwargs)
        if target is not None:
            return self._placed(result, there=_names_the_device(target))
        if name == "type_as":
            return self._placed(result, there=self._is_there(args[1]))
        if there and (name not in _MIXES or name == "__getitem__"):
            pytree.tree_map_only(Tensor, self._mark, result)
        return result

    def _move(self, name: str, tensor: Tensor, *args: Any, **kwargs: Any) -> Any:
        there: bool | None = {"cpu": False, "cuda": True}.get(name)
        if name != "to":
            return self._placed(tensor, there=bool(there))
        given = []
        for value in args:
            if isinstance(value, Tensor):
                there = self._is_there(value)
                value = value.dtype
            elif isinstance(value, torch.device | str) or (isinstance(value, int) and not isinstance(value, bool)):
                there = _names_the_device(value)
                value = _CPU
            given.append(value)
        if kwargs.get("device") is not None:
            there = _names_the_device(kwargs["device"])
            kwargs["device"] = _CPU
        moved = tensor.to(*given, **kwargs)
        return self._placed(moved, there=self._is_there(tensor) if there is None else there)

    def _placed(self, result: Any, *, there: bool) -> Any:
        """Copies where a tensor would share its memory with the other place."""

        def place(tensor: Tensor) -> Tensor:
            if self._is_there(tensor) == there:
                return tensor
            copy = tensor.clone()
            return self._mark(copy) if there else copy

        return pytree.tree_map_only(Tensor, place, result)

    def _mark(self, tensor: Tensor) -> Tensor:
        if storage := _storage(tensor):
            self._there.add(storage)
        return tensor

    def _is_there(self, tensor: Any) -> bool:
        return _storage(tensor) in self._there


def _storage(tensor: Tensor) -> StorageWeakRef | None:
    if torch._C._functorch.is_functorch_wrapped_tensor(tensor):
        raise NotImplementedError("torch.func is not simulated")
    try:
        storage: StorageWeakRef = StorageWeakRef.from_weakref(tensor.untyped_storage()._weak_ref())
    except (NotImplementedError, RuntimeError):  # it has none of its own
        return None
    return storage


def _names_the_device(device: Any) -> bool:
    return isinstance(device, int) or torch.device(device).type == _THERE.type


__all__ = ["DeviceMismatch", "elsewhere", "real_device"]
