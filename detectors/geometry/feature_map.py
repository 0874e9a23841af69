"""What is known of a tensor on its way through a network: which pixels its units see, and where its axes are."""

from __future__ import annotations

from dataclasses import dataclass, replace

from fakeoff.detectors.receptive_field import ReceptiveField


class UnknownGeometry(ValueError):  # noqa: N818 - a refusal, with its reason
    """It cannot be said which pixels a unit sees, or it sees all of them."""


@dataclass(frozen=True, kw_only=True)
class FeatureMap:
    """A tensor whose units lie on a grid over the image.

    Attributes:
        rows: What a unit sees along the image's height.
        columns: Likewise along its width.
        shape: Of the tensor.
        axes: Where height and width are, counted from the end: ``(-2, -1)`` in ``(n, c, h, w)``.
    """

    rows: ReceptiveField
    columns: ReceptiveField
    shape: tuple[int, ...]
    axes: tuple[int, int] = (-2, -1)

    @property
    def units(self) -> tuple[int, int]:
        """How many units there are, along height and width."""
        return self.shape[self.axes[0]], self.shape[self.axes[1]]

    def with_shape(self, shape: tuple[int, ...]) -> FeatureMap:
        """The map after an operation that sees each unit by itself.

        Raises:
            UnknownGeometry: The grid is another.
        """
        changed = replace(self, shape=shape)
        if len(shape) < -min(self.axes) or changed.units != self.units:
            raise UnknownGeometry("the grid of its units is another afterwards")
        return changed

    def permuted(self, order: tuple[int, ...], shape: tuple[int, ...]) -> FeatureMap:
        """The map with its axes in another order.

        Args:
            order: Which axis comes to each place.
            shape: Afterwards.
        """
        count = len(self.shape)
        places = [axis % count for axis in order]
        first, second = (places.index(axis % count) - count for axis in self.axes)
        return replace(self, axes=(first, second), shape=shape)

    def through(
        self,
        shape: tuple[int, ...],
        *,
        kernel: tuple[int, int],
        stride: tuple[int, int],
        padding: tuple[int, int],
        total_padding: tuple[int, int],
        dilation: tuple[int, int],
    ) -> FeatureMap:
        """The map after a window has slid over it; each argument is for height and width.

        Args:
            shape: That came out.
            kernel: Units that the window sees.
            stride: Of the window.
            padding: Above and to the left.
            total_padding: On both sides together.
            dilation: From one of its units to the next.

        Raises:
            UnknownGeometry: Height and width are not where windows slide, or another number of units came out.
        """
        if self.axes != (-2, -1):
            raise UnknownGeometry("it slides over other axes than height and width")
        for before, after, k, s, p, d in zip(
            self.units, shape[-2:], kernel, stride, total_padding, dilation, strict=True
        ):
            expected = (before + p - d * (k - 1) - 1) // s + 1
            if after != expected:
                raise UnknownGeometry(f"of {before} units it makes {after}, where its window gives {expected}")
        rows, columns = (
            field.through(kernel=k, stride=s, padding=p, dilation=d)
            for field, k, s, p, d in zip((self.rows, self.columns), kernel, stride, padding, dilation, strict=True)
        )
        return replace(self, rows=rows, columns=columns, shape=shape)


def join(maps: tuple[FeatureMap, ...], shape: tuple[int, ...]) -> FeatureMap:
    """The map where branches meet: added, multiplied or laid beside each other.

    Args:
        maps: Of the branches.
        shape: That came out.

    Raises:
        UnknownGeometry: The branches do not fit on one another.
    """
    first, *others = maps
    for other in others:
        if other.axes != first.axes:
            raise UnknownGeometry("branches meet whose axes are in another order")
        if other.units != first.units:
            raise UnknownGeometry(f"branches meet with {first.units} and {other.units} units")
        try:
            first = replace(
                first, rows=first.rows.with_branch(other.rows), columns=first.columns.with_branch(other.columns)
            )
        except ValueError as error:
            raise UnknownGeometry(f"branches meet, and {error}") from error
    return first.with_shape(shape)


__all__ = ["FeatureMap", "UnknownGeometry", "join"]
