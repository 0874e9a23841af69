"""Values of checkpoints: tensors and arrays as they lie in a file, read when they are wanted."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fakeoff.arena.players.checkpoints.limits import MOST_DIMENSIONS, Unreadable, shown
from fakeoff.arena.players.checkpoints.pickles import Name, StandIn

STORAGES: dict[str, torch.dtype] = {
    "FloatStorage": torch.float32,
    "DoubleStorage": torch.float64,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
    "ComplexFloatStorage": torch.complex64,
    "ComplexDoubleStorage": torch.complex128,
}
"""What the storages of PyTorch's checkpoints hold; ``UntypedStorage`` holds bytes."""

_NUMPY = frozenset(("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1"))
_ORDERS = {"<", ">", "=", "|"}


class Storage:
    """The numbers behind one or several tensors.

    Args:
        dtype: Of what it holds.
        count: How many numbers the file says that it holds.
        content: Their bytes; None where they come later in the file.
    """

    def __init__(self, dtype: torch.dtype, count: int, content: memoryview | None = None) -> None:
        self.dtype = dtype
        self.count = count
        self._content: memoryview | None = None
        self._numbers: Tensor | None = None
        if content is not None:
            self.fill(content)

    @property
    def size(self) -> int:
        """In bytes."""
        return self.count * self.dtype.itemsize

    def fill(self, content: memoryview) -> None:
        """Gives it its bytes.

        Raises:
            Unreadable: They are not as many as the file says.
        """
        if len(content) != self.size:
            raise Unreadable(f"it says that a storage has {self.size} bytes, and gives {len(content)}")
        self._content = content

    def numbers(self) -> Tensor:
        """Its numbers in a row, copied from the file once."""
        if self._numbers is None:
            if self._content is None:
                raise Unreadable("it is cut off: a storage's bytes are missing")
            numbers = torch.frombuffer(bytearray(self._content), dtype=self.dtype) if self.count else None
            self._numbers = torch.empty(0, dtype=self.dtype) if numbers is None else numbers
        return self._numbers


@dataclass(frozen=True, slots=True, eq=False)
class StoredTensor:
    """A tensor in a file: a view of a storage, checked to lie in it.

    Attributes:
        storage: Where its numbers are.
        dtype: Of its numbers.
        offset: Of the first one.
        shape: Its sizes.
        stride: From one number to the next along each dimension.
    """

    storage: Storage
    dtype: torch.dtype
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]

    @classmethod
    def checked(cls, storage: Storage, offset: Any, shape: Any, stride: Any, dtype: torch.dtype | None = None) -> Any:
        """Makes one of what a file says.

        Raises:
            Unreadable: It would lie outside of its storage, or has more numbers than that.
        """
        dtype = storage.dtype if dtype is None else dtype
        count = storage.size // dtype.itemsize
        if not (is_count(offset) and is_shape(shape) and is_shape(stride) and len(shape) == len(stride)):
            raise Unreadable("it describes a tensor by something else than sizes and strides")
        numbers = math.prod(shape)
        last = offset + sum((size - 1) * step for size, step in zip(shape, stride, strict=True))
        if numbers > count or (numbers and last >= count) or offset > count:
            raise Unreadable(f"a tensor of sizes {shown(list(shape))} does not lie in its storage of {count} numbers")
        return cls(storage, dtype, offset, tuple(shape), tuple(stride))

    @property
    def size(self) -> int:
        """In bytes."""
        return math.prod(self.shape) * self.dtype.itemsize

    def tensor(self) -> Tensor:
        """The tensor; those of one storage share its memory."""
        numbers = self.storage.numbers()
        if self.dtype != numbers.dtype:
            whole = len(numbers) // self.dtype.itemsize * self.dtype.itemsize
            numbers = numbers[:whole].view(self.dtype)
        return numbers.as_strided(self.shape, self.stride, self.offset)


class NumpyType:
    """A ``numpy.dtype`` of numbers.

    Args:
        code: Such as ``f4``.
    """

    def __init__(self, code: str) -> None:
        self._code = code
        self._order = "="

    @staticmethod
    def made(arguments: tuple[Any, ...]) -> NumpyType | StandIn:
        """Of what a file gives ``numpy.dtype``; a stand-in where it is none of numbers."""
        code = arguments[0] if arguments else None
        return NumpyType(code) if isinstance(code, str) and code in _NUMPY else StandIn("numpy.dtype", arguments)

    def build(self, state: Any) -> None:
        # (version, byte order, subarray, names, fields, item size, alignment, flags)
        plain = isinstance(state, tuple) and len(state) >= 5 and all(part is None for part in state[2:5])
        if not plain or state[1] not in _ORDERS:
            raise Unreadable("it has a numpy.dtype that is not one of plain numbers")
        self._order = state[1]

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(self._code).newbyteorder(self._order if self._order in "<>" else "=")  # type: ignore[arg-type]

    def numbers(self, content: Any) -> Any:
        """Bytes as numbers in a row, in this machine's byte order."""
        content = content.encode("latin-1") if isinstance(content, str) else content  # of Python 2
        if not isinstance(content, bytes | bytearray) or len(content) % self.dtype.itemsize:
            raise Unreadable("it has a numpy array without the bytes of its numbers")
        return np.frombuffer(content, dtype=self.dtype).astype(self.dtype.newbyteorder("="))


class NumpyArray:
    """A ``numpy.ndarray``, empty until BUILD tells its numbers."""

    def __init__(self) -> None:
        self._numbers: Any = None

    def build(self, state: Any) -> None:
        # (version, shape, dtype, in Fortran's order, bytes); the first versions had no version
        if not isinstance(state, tuple) or len(state) not in (4, 5):
            raise Unreadable("it has a numpy array that is not described as one")
        self.fill(*state[-4:])

    def fill(self, shape: Any, dtype: Any, fortran: Any, content: Any) -> None:
        """Gives it its numbers.

        Raises:
            Unreadable: They are objects, or others than their shape says.
        """
        if isinstance(content, list):
            raise Unreadable("it has a numpy array of objects, which is no array of numbers")
        if not isinstance(dtype, NumpyType):
            return  # texts and the like: nothing to take
        numbers = dtype.numbers(content)
        if not is_shape(shape) or math.prod(shape) != len(numbers):
            raise Unreadable("it has a numpy array with another number of values than its shape says")
        self._numbers = numbers.reshape(shape, order="F" if fortran else "C")

    @property
    def size(self) -> int:
        """In bytes."""
        return 0 if self._numbers is None else int(self._numbers.nbytes)

    def tensor(self) -> Tensor | None:
        """The array as a tensor; None if it holds no numbers."""
        return None if self._numbers is None else torch.from_numpy(self._numbers.copy(order="C"))


def is_count(value: Any) -> bool:
    """Whether a file's value is a whole number, 0 or more."""
    return type(value) is int and 0 <= value < 2**62


def is_shape(value: Any) -> bool:
    """Whether a file's value is a tuple of few whole numbers, 0 or more."""
    return isinstance(value, tuple) and len(value) <= MOST_DIMENSIONS and all(map(is_count, value))


def storage_dtype(name: Any) -> torch.dtype:
    """What a storage holds by the name of its class.

    Raises:
        Unreadable: There is none of that name.
    """
    if isinstance(name, Name):
        if name.module in ("torch", "torch.cuda") and name.name in STORAGES:
            return STORAGES[name.name]
        if name.module in ("torch", "torch.storage") and name.name == "UntypedStorage":
            return torch.uint8
    raise Unreadable(f"it has a storage of the unknown kind '{shown(name)}'")
