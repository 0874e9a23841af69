"""Writes OpenVINO IRs: small graphs for tests, in the files' published form."""

from __future__ import annotations

from xml.sax.saxutils import quoteattr

import numpy as np
import numpy.typing as npt
from torch import nn

from fakeoff.generators.mobilestylegan.layers import Modulation, StyledConv
from fakeoff.generators.mobilestylegan.networks import Mapping, Synthesis

_TYPES = {"float32": "f32", "float16": "f16", "int64": "i64"}


class IR:
    """A graph that grows from its inputs to its result; every method returns a layer's number."""

    def __init__(self, *, first: int = 0) -> None:
        self._layers: list[str] = []
        self._edges: list[str] = []
        self._first = first
        self.content = b""

    def constant(self, value: npt.ArrayLike, **over: object) -> int:
        array = np.asarray(value)
        says: dict[str, object] = {
            "element_type": _TYPES[array.dtype.name],
            "shape": ", ".join(str(size) for size in array.shape),
            "offset": len(self.content),
            "size": array.nbytes,
            **over,
        }
        self.content += array.tobytes()
        return self._add("Const", "<data {}/>".format(" ".join(f"{k}={quoteattr(str(v))}" for k, v in says.items())))

    def operation(self, kind: str, *inputs: int) -> int:
        number = self._add(kind, '<data auto_broadcast="numpy"/>')
        for port, source in enumerate(inputs):
            self._edges.append(
                f'<edge from-layer="{source}" from-port="9" to-layer="{number}" to-port="{port}"/>'
            )  # as published: outputs count on where inputs end
        return number

    def xml(self, *, before: str = "") -> bytes:
        return (
            f'<?xml version="1.0"?>{before}<net name="net" version="10"><layers>{"".join(self._layers)}</layers>'
            f"<edges>{''.join(self._edges)}</edges></net>"
        ).encode()

    def _add(self, kind: str, data: str) -> int:
        number = self._first + len(self._layers)
        self._layers.append(f'<layer id="{number}" name="n{number}" type="{kind}" version="opset1">{data}</layer>')
        return number


def _array(tensor: object) -> npt.NDArray[np.float32]:
    return tensor.detach().numpy()  # type: ignore[attr-defined, no-any-return]


def of_mapping(mapping: Mapping) -> IR:
    """The mapping network as it was published: all but its layers is left out."""
    ir = IR()
    w = ir.operation("Parameter")
    power = ir.operation("Power", w, ir.constant(np.full((1, 1), 2, np.float32)))
    w = ir.operation("Multiply", w, power)
    for layer in mapping.layers:
        assert isinstance(layer, nn.Linear)
        w = ir.operation("MatMul", w, ir.constant(_array(layer.weight)))
        shape = ir.constant(np.array([1, -1]))
        w = ir.operation("Add", w, ir.operation("Reshape", ir.constant(_array(layer.bias)), shape))
        w = ir.operation("PReLU", w, ir.constant(np.array([0.2], np.float32)))
        w = ir.operation("Multiply", w, ir.constant(np.full((1, 1), 2**0.5, np.float32)))
    ir.operation("Result", w)
    return ir


def of_synthesis(synthesis: Synthesis, *, slope: float = 0.2, scale: float = 1.0, first: int = 0) -> IR:
    """The synthesis network as it was published, constants and the order of inputs included."""
    ir = IR(first=first)
    w = ir.operation("Parameter")

    def modulate(layer: Modulation, x: int) -> int:
        factors = ir.operation("MatMul", w, ir.constant(_array(layer.affine.weight)))
        factors = ir.operation("Add", factors, ir.constant(_array(layer.affine.bias)[None]))
        if layer.scale != 1:
            constant = ir.constant(np.full((1, 1, 1, 1), layer.scale * scale, np.float32))
            factors = ir.operation("Multiply", factors, constant)
        return ir.operation("Multiply", factors, x)

    def styled(layer: StyledConv, x: int) -> int:
        x = modulate(layer.modulation, x)
        if layer.separable:
            x = ir.operation("GroupConvolution", x, ir.constant(_array(layer.depthwise.weight)[:, None]))
        x = ir.operation("Convolution", x, ir.constant(_array(layer.conv.weight)))
        x = ir.operation("Add", x, ir.constant(_array(layer.noise)[None]))
        assert layer.conv.bias is not None
        x = ir.operation("Add", x, ir.constant(_array(layer.conv.bias)[None, :, None, None]))
        return ir.operation("PReLU", x, ir.constant(np.array([slope], np.float32)))

    def inverse(x: int, features: int) -> int:
        for _ in range(6):
            filters = np.full((features, 1, 1, 2, 1), 0.5**0.5, np.float32)
            x = ir.operation("GroupConvolutionBackpropData", x, ir.constant(filters))
        return x

    x = styled(synthesis.conv, ir.operation("Broadcast", ir.constant(_array(synthesis.const)[None])))
    for block in synthesis.blocks:
        x = inverse(modulate(block.up.modulation, x), 4)  # type: ignore[union-attr, arg-type]
        x = styled(block.conv1, styled(block.conv0, x))  # type: ignore[arg-type]
    bands = synthesis.to_bands
    x = ir.operation("Convolution", modulate(bands.modulation, x), ir.constant(_array(bands.conv.weight)))
    assert bands.conv.bias is not None
    x = ir.operation("Add", x, ir.constant(_array(bands.conv.bias)[None, :, None, None]))
    ir.operation("Result", inverse(x, 3))
    return ir
