"""What an operation of a network does to the geometry of a feature map, one rule for each kind."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from torch import nn

from fakeoff.detectors.geometry.feature_map import FeatureMap, UnknownGeometry, join


@dataclass(frozen=True, kw_only=True)
class Constant:
    """A tensor that does not come from the image: a weight."""

    shape: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One node of a graph, with what is known of its arguments.

    Attributes:
        module: Where it is one.
        arguments: By place: maps, constants, and plain values.
        options: By name, likewise.
        shape: Of the tensor that comes out; of the first one where several do.
    """

    module: nn.Module | None
    arguments: tuple[Any, ...]
    options: Mapping[str, Any]
    shape: tuple[int, ...]

    @property
    def maps(self) -> tuple[FeatureMap, ...]:
        """All maps among its arguments."""
        found: list[FeatureMap] = []
        for value in (*self.arguments, *self.options.values()):
            found += [each for each in (value if isinstance(value, list | tuple) else (value,)) if _is_map(each)]
        return tuple(found)

    @property
    def map(self) -> FeatureMap:
        """The one map that it takes.

        Raises:
            UnknownGeometry: It takes several.
        """
        if len(self.maps) != 1:
            raise UnknownGeometry("it takes several feature maps")
        return self.maps[0]

    def argument(self, place: int, name: str, default: Any = None) -> Any:
        """An argument, given by place or by name."""
        return self.arguments[place] if len(self.arguments) > place else self.options.get(name, default)


Rule: TypeAlias = Callable[[Operation], FeatureMap]


def _is_map(value: Any) -> bool:
    return isinstance(value, FeatureMap)


def pointwise(op: Operation) -> FeatureMap:
    """Each unit is seen by itself."""
    return op.map.with_shape(op.shape)


def branches(op: Operation) -> FeatureMap:
    """Several maps are added, or multiplied with one another."""
    return join(op.maps, op.shape)


def _both(value: Any) -> tuple[int, int]:
    first, second = value if isinstance(value, list | tuple) and len(value) == 2 else (value, value)
    if isinstance(first, list | tuple):  # one for both axes, in brackets
        (first,), (second,) = first, second
    if not (isinstance(first, int) and isinstance(second, int)):
        raise UnknownGeometry(f"its window is {value!r}")
    return first, second


def _slide(
    op: Operation, *, kernel: Any, stride: Any, padding: Any, dilation: Any = 1, ceil_mode: bool = False
) -> FeatureMap:
    if ceil_mode:
        raise UnknownGeometry("with ceil_mode its last window hangs over the edge at some image sizes")
    kernel, dilation = _both(kernel), _both(dilation)
    stride = kernel if stride in (None, [], ()) else _both(stride)
    if padding == "same":
        total = tuple(d * (k - 1) for k, d in zip(kernel, dilation, strict=True))
        before = tuple(pixels // 2 for pixels in total)
    else:
        before = _both(0 if padding == "valid" else padding)
        total = tuple(2 * pixels for pixels in before)
    if any(pixels > d * (k - 1) for k, d, pixels in zip(kernel, dilation, before, strict=True)):
        raise UnknownGeometry("its padding is wider than its window")
    return op.map.through(
        op.shape,
        kernel=kernel,
        stride=stride,
        padding=(before[0], before[1]),
        total_padding=(total[0], total[1]),
        dilation=dilation,
    )


def conv(op: Operation) -> FeatureMap:
    """A convolution's window slides over the map."""
    layer = op.module
    assert isinstance(layer, nn.Conv2d)
    if layer.padding_mode != "zeros":
        raise UnknownGeometry(f"its padding is '{layer.padding_mode}'")
    return _slide(op, kernel=layer.kernel_size, stride=layer.stride, padding=layer.padding, dilation=layer.dilation)


def conv_function(op: Operation) -> FeatureMap:
    """Likewise, with weights that the network works out."""
    weight = op.argument(1, "weight")
    if not isinstance(weight, Constant):
        raise UnknownGeometry("its weights come from the image")
    return _slide(
        op,
        kernel=weight.shape[-2:],
        stride=op.argument(3, "stride", 1),
        padding=op.argument(4, "padding", 0),
        dilation=op.argument(5, "dilation", 1),
    )


def pool(op: Operation) -> FeatureMap:
    """A pooling's window slides over the map."""
    layer = op.module
    assert isinstance(layer, nn.MaxPool2d | nn.AvgPool2d)
    return _slide(
        op,
        kernel=layer.kernel_size,
        stride=layer.stride,
        padding=layer.padding,
        dilation=getattr(layer, "dilation", 1),
        ceil_mode=layer.ceil_mode,
    )


def max_pool_function(op: Operation) -> FeatureMap:
    """Likewise, of ``max_pool2d``."""
    return _slide(
        op,
        kernel=op.argument(1, "kernel_size"),
        stride=op.argument(2, "stride"),
        padding=op.argument(3, "padding", 0),
        dilation=op.argument(4, "dilation", 1),
        ceil_mode=op.argument(5, "ceil_mode", False),
    )


def avg_pool_function(op: Operation) -> FeatureMap:
    """Likewise, of ``avg_pool2d``."""
    return _slide(
        op,
        kernel=op.argument(1, "kernel_size"),
        stride=op.argument(2, "stride"),
        padding=op.argument(3, "padding", 0),
        ceil_mode=op.argument(4, "ceil_mode", False),
    )


def linear(op: Operation) -> FeatureMap:
    """The last axis is mixed, which has to be the channels."""
    if -1 in op.map.axes:
        raise UnknownGeometry("it mixes the units of a whole row")
    return op.map.with_shape(op.shape)


def layer_norm(op: Operation) -> FeatureMap:
    """Each unit is normalised by itself, where that is over channels."""
    layer = op.module
    over = layer.normalized_shape if isinstance(layer, nn.LayerNorm) else op.argument(1, "normalized_shape")
    if -min(len(over), 4) <= max(op.map.axes):
        raise UnknownGeometry("it normalises over the whole image")
    return op.map.with_shape(op.shape)


def batch_norm(op: Operation) -> FeatureMap:
    """Each unit is normalised by statistics that were measured before."""
    if isinstance(op.module, nn.BatchNorm2d):
        of_the_batch = op.module.running_mean is None
    else:
        of_the_batch = bool(op.argument(5, "training", False))
    if of_the_batch:
        raise UnknownGeometry("its statistics are of the whole image")
    return op.map.with_shape(op.shape)


def permute(op: Operation) -> FeatureMap:
    """Axes change places."""
    order = op.argument(1, "dims")
    return op.map.permuted(tuple(order) if isinstance(order, list | tuple) else op.arguments[1:], op.shape)


def transpose(op: Operation) -> FeatureMap:
    """Two axes change places."""
    count = len(op.map.shape)
    one, other = op.argument(1, "dim0") % count, op.argument(2, "dim1") % count
    order = list(range(count))
    order[one], order[other] = other, one
    return op.map.permuted(tuple(order), op.shape)


def reshape(op: Operation) -> FeatureMap:
    """Channels are laid out anew."""
    if op.map.axes != (-2, -1):
        raise UnknownGeometry("it lays out anew what has its channels last")
    return op.map.with_shape(op.shape)


def _along_channels(op: Operation, *, place: int, default: int = 0) -> int:
    """Along which axis it cuts or joins, counted from the end.

    Raises:
        UnknownGeometry: Along height or width.
    """
    count = len(op.shape)
    axis = op.argument(place, "dim", default) % count - count
    if any(axis in each.axes for each in op.maps):
        raise UnknownGeometry("it cuts or joins maps along height or width")
    return int(axis)


def cat(op: Operation) -> FeatureMap:
    """Maps are laid beside each other."""
    _along_channels(op, place=1)
    return join(op.maps, op.shape)


def split(op: Operation) -> FeatureMap:
    """Channels are cut into groups."""
    _along_channels(op, place=2)
    return op.map.with_shape(op.shape)


__all__ = [
    "Constant",
    "Operation",
    "Rule",
    "avg_pool_function",
    "batch_norm",
    "branches",
    "cat",
    "conv",
    "conv_function",
    "layer_norm",
    "linear",
    "max_pool_function",
    "permute",
    "pointwise",
    "pool",
    "reshape",
    "split",
    "transpose",
]
