"""The analytic receptive field of a chain of convolutions and poolings."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class ReceptiveField:
    """Which input pixels one output unit sees, along one axis.

    Output unit ``i`` sees the pixels ``offset + i * stride`` to ``offset + i * stride + size - 1``; those
    outside the image are padding.

    Attributes:
        size: Pixels seen.
        stride: Pixels from one unit to the next.
        offset: The first unit's first pixel; negative where the layers pad.
    """

    size: int = 1
    stride: int = 1
    offset: int = 0

    def through(self, *, kernel: int, stride: int = 1, padding: int = 0) -> ReceptiveField:
        """The field after one more layer."""
        return ReceptiveField(
            size=self.size + (kernel - 1) * self.stride,
            stride=self.stride * stride,
            offset=self.offset - padding * self.stride,
        )

    @classmethod
    def of(cls, layers: Iterable[tuple[int, int, int]]) -> ReceptiveField:
        """The field of a chain of ``(kernel, stride, padding)``."""
        field = cls()
        for kernel, stride, padding in layers:
            field = field.through(kernel=kernel, stride=stride, padding=padding)
        return field

    def pixels(self, unit: int) -> tuple[int, int]:
        """The first pixel that a unit sees, and the one after its last."""
        first = self.offset + unit * self.stride
        return first, first + self.size
