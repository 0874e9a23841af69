"""A computed receptive field, held against the gradient of the network itself.

The network is made linear, with its geometry as it is: all weights positive, normalisation and activations left out,
maxima replaced by means. Then no pixel of a field can hide from the gradient, and its support is the field.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F

from fakeoff.detectors.geometry.feature_map import UnknownGeometry
from fakeoff.detectors.geometry.known import POINTWISE_METHODS, POINTWISE_MODULES, is_pointwise
from fakeoff.detectors.geometry.walk import first_line, traced
from fakeoff.detectors.receptive_field import ReceptiveField


def prove(network: nn.Module, field: ReceptiveField) -> None:
    """Compares which rows and columns units depend on with a field: one in the middle, and those in the corners.

    Args:
        network: ``(n, 3, h, w)`` to one map; none of it is changed.
        field: As it was computed, for both axes.

    Raises:
        UnknownGeometry: A unit sees other pixels.
    """
    linear = _Linear(copy.deepcopy(network).eval().double())
    # The second unit that sees no padding, and room for more behind it.
    middle = -(-max(0, -field.offset) // field.stride) + 1
    long = field.pixels(middle)[1] + max(0, -field.offset) + field.stride + 1
    short = _least_side(network, most=long)
    for axis in (0, 1):
        for side in dict.fromkeys((short, long)):
            sides = (long, side) if axis == 0 else (side, long)
            reached = _all_reached(linear, sides, axis=axis, middle=middle)
            # In a narrow map a window with holes may see its padding alone, and tells nothing of the long side.
            if all(reached.values()):
                break
        for unit, pixels in reached.items():
            _compare(pixels, unit, field, axis=axis, sides=sides, last=max(reached))


def _all_reached(linear: _Linear, sides: tuple[int, int], *, axis: int, middle: int) -> dict[int, list[int]]:
    """The rows or columns that three units depend on, those of all columns or rows together, by unit."""
    image = torch.ones(1, 3, *sides, dtype=torch.float64, requires_grad=True)
    with torch.enable_grad():
        across = linear.see(image).sum(1)[0].sum(1 - axis)
    return {unit: _reached(across[unit], image, axis) for unit in sorted({0, middle, len(across) - 1})}


def _reached(output: Tensor, image: Tensor, axis: int) -> list[int]:
    """The rows or columns of an image that an output depends on."""
    (gradient,) = torch.autograd.grad(output, image, retain_graph=True)
    reached: list[int] = gradient[0].abs().sum(0).sum(1 - axis).nonzero().flatten().tolist()
    return reached


def _compare(
    reached: list[int], unit: int, field: ReceptiveField, *, axis: int, sides: tuple[int, int], last: int
) -> None:
    first, end = field.pixels(unit)
    first, end = max(0, first), min(sides[axis], end)
    is_within = bool(reached) and first <= reached[0] and reached[-1] < end
    # The ends that lie in the image are exact. At its edges windows leave over pixels, and dilation skips some.
    if is_within and (unit == 0 or reached[0] == first) and (unit == last or reached[-1] == end - 1):
        return
    sees = f"{reached[0]} to {reached[-1]}" if reached else "none"
    raise UnknownGeometry(
        f"of {sides[axis]} {('rows', 'columns')[axis]}, unit {unit} sees {first} to {end - 1} as computed (size "
        f"{field.size}, stride {field.stride}, offset {field.offset}), and {sees} by its gradient"
    )


def _least_side(network: nn.Module, *, most: int) -> int:
    """A short side that the network takes: the axis that is not looked at need not be long."""
    shadow = copy.deepcopy(network).eval().to("meta")
    for side in (8, 16, 32, 64, 128, 256):
        if side >= most:
            break
        try:
            with torch.no_grad():
                made = shadow(torch.empty(1, 3, most, side, device="meta"))
        except (RuntimeError, ValueError, AssertionError):  # an output of no pixels
            continue
        if min(next(iter(made.values())).shape if isinstance(made, dict) else made.shape) > 0:
            return side
    return most


class _Linear(fx.Interpreter):
    """Runs a network as sums with positive weights; its windows, permutations and branches are its own."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__(network, graph=traced(network))
        for layer in network.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                nn.init.constant_(layer.weight, 1 / layer.weight[0].numel())
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)
        network.requires_grad_(False)

    def see(self, image: Tensor) -> Tensor:
        """Runs it.

        Raises:
            UnknownGeometry: It does not run so.
        """
        try:
            made = self.run(image)
        except Exception as error:
            raise UnknownGeometry(f"it does not run with positive weights: {first_line(error)}") from error
        result: Tensor = next(iter(made.values())) if isinstance(made, dict) else made
        return result

    def get_attr(self, target: Any, args: Any, kwargs: Any) -> Any:
        value = super().get_attr(target, args, kwargs)
        return torch.ones_like(value) / value[0].numel() if isinstance(value, Tensor) and value.ndim else value

    def call_module(self, target: Any, args: Any, kwargs: Any) -> Any:
        layer = self.fetch_attr(target)
        if type(layer) in POINTWISE_MODULES or type(layer) is nn.LayerNorm:
            return args[0]
        if type(layer) is nn.MaxPool2d:
            return _mean(args[0], layer.kernel_size, layer.stride, layer.padding, layer.dilation)
        return super().call_module(target, args, kwargs)

    def call_function(self, target: Any, args: Any, kwargs: Any) -> Any:
        if is_pointwise(target) or target is F.layer_norm:
            return args[0]
        if target in (F.max_pool2d, torch.max_pool2d):
            return _mean(*args, **kwargs)
        return super().call_function(target, args, kwargs)

    def call_method(self, target: Any, args: Any, kwargs: Any) -> Any:
        # Casts as well: it stays in double precision, because the edges of deep fields weigh little.
        if target in POINTWISE_METHODS - {"contiguous"}:
            return args[0]
        return super().call_method(target, args, kwargs)


def _mean(
    value: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Tensor:
    """The mean where a maximum would be."""
    if dilation not in (1, (1, 1)) or ceil_mode or return_indices:
        raise ValueError("a maximum over a window with holes, or one that hangs over the edge")
    return F.avg_pool2d(value, kernel_size, stride, padding)


__all__ = ["prove"]
