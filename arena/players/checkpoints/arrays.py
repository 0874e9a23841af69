"""Pickles of plain NumPy arrays in dictionaries, and of nothing else.

The machine of ``pickles.py`` imports nothing that a file names. Here it knows three names, those with which NumPy
writes an array, and a file that names any other is refused as soon as it does.
"""

from __future__ import annotations

import io
from typing import Any

from torch import Tensor

from fakeoff.arena.players.checkpoints.limits import DEEPEST, MOST_OPCODES, Budget, Unreadable, shown
from fakeoff.arena.players.checkpoints.pickles import PickleMachine
from fakeoff.arena.players.checkpoints.rebuilding import rebuilds
from fakeoff.arena.players.checkpoints.values import NumpyArray

_RECONSTRUCT = ("numpy.core.multiarray", "_reconstruct"), ("numpy._core.multiarray", "_reconstruct")
_NAMES = frozenset({*_RECONSTRUCT, ("numpy", "ndarray"), ("numpy", "dtype")})


def read_arrays(content: bytes) -> dict[str, Tensor]:
    """Reads a pickle of arrays of numbers in dictionaries; nothing of it is imported or called.

    Args:
        content: All of the file.

    Returns:
        By name, joined by dots along the way: ``{"net": {"bias": ...}}`` is ``net.bias``.

    Raises:
        Unreadable: It names anything but NumPy's ``_reconstruct``, ``ndarray`` and ``dtype``, holds anything but
            arrays of numbers in dictionaries by text, or is no pickle.
    """
    file = io.BytesIO(content)
    objects = _ArraysAlone(_table(), budget=Budget(MOST_OPCODES)).run(file)
    if file.read(1):
        raise Unreadable("something follows behind the end of its pickle")
    arrays: dict[str, Tensor] = {}
    _take(objects, "", arrays, depth=0)
    return arrays


class _ArraysAlone(PickleMachine):
    def _global(self, module: Any, name: Any) -> None:
        if (module, name) not in _NAMES:
            raise Unreadable(
                f"it names '{shown(f'{module}.{name}')}', and arrays need NumPy's _reconstruct, ndarray and dtype "
                "alone; nothing of it was run"
            )
        super()._global(module, name)


def _table() -> dict[tuple[str, str], Any]:
    return {name: rebuild for name, rebuild in rebuilds(None).items() if name in _NAMES}


def _take(value: Any, name: str, arrays: dict[str, Tensor], *, depth: int) -> None:
    if depth > DEEPEST:
        raise Unreadable(f"its values lie deeper in each other than {DEEPEST} levels")
    if type(value) is NumpyArray and name and (tensor := value.tensor()) is not None:
        arrays[name] = tensor
    elif type(value) is dict and all(type(key) is str for key in value):
        for key, entry in value.items():
            _take(entry, f"{name}.{key}" if name else key, arrays, depth=depth + 1)
    else:
        raise Unreadable(f"it holds a {type(value).__name__} under '{shown(name)}', where arrays of numbers are wanted")


__all__ = ["read_arrays"]
