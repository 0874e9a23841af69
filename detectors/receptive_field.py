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

    def through(self, *, kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1) -> ReceptiveField:
        """The field after one more layer."""
        return ReceptiveField(
            size=self.size + (kernel - 1) * dilation * self.stride,
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

    def with_branch(self, other: ReceptiveField) -> ReceptiveField:
        """The field where two branches meet: their union.

        Args:
            other: Of the other branch; it has the same stride and the same centre, so that one lies within the other.

        Raises:
            ValueError: It has not.
        """
        if self.stride != other.stride:
            raise ValueError(f"their strides differ: {self.stride} and {other.stride} px")
        if 2 * self.offset + self.size != 2 * other.offset + other.size:
            (one, one_end), (two, two_end) = self.pixels(0), other.pixels(0)
            raise ValueError(
                f"their centres differ: the first unit sees pixels {one} to {one_end - 1} by one and {two} to "
                f"{two_end - 1} by the other"
            )
        return max(self, other, key=lambda field: field.size)

    def pixels(self, unit: int) -> tuple[int, int]:
        """The first pixel that a unit sees, and the one after its last."""
        first = self.offset + unit * self.stride
        return first, first + self.size
