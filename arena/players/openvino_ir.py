"""Constants of an OpenVINO IR: a network as others published it, read as data and without OpenVINO.

An IR is a graph in XML and a file of bytes beside it (https://docs.openvino.ai, "OpenVINO IR format"). Only what is
needed to take its weights is read: layers, edges, and constants. Both files are treated as hostile.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from xml.parsers import expat

import numpy as np
import numpy.typing as npt

_MOST_XML_BYTES = 8 * 2**20
_MOST_CONSTANT_BYTES = 512 * 2**20
_MOST_LAYERS = 20_000
_MOST_DIMENSIONS = 8
_NOT_WEIGHTS = {"i32", "i64", "u8", "boolean"}
_WEIGHTS: dict[str, np.dtype[Any]] = {"f16": np.dtype("<f2"), "f32": np.dtype("<f4")}


class IRError(ValueError):
    """It is no IR, or not one that can be trusted."""


@dataclass(frozen=True, kw_only=True)
class Constant:
    """Weights in an IR.

    Attributes:
        consumer: The operation that takes it, such as ``MatMul``.
        port: Which of that operation's inputs it is, from 0.
        value: float32, whatever the IR keeps.
    """

    consumer: str
    port: int
    value: npt.NDArray[np.float32]


def read_constants(xml: bytes, content: bytes) -> list[Constant]:
    """Reads the floating-point constants that the results of a network depend on.

    They come in an order that is the graph's and not the file's: from the results backwards, the first input of an
    operation before its second, and what an operation needs before what it is needed for. A constant is told by the
    operation that takes it, because its own name is often what an optimiser left: two exports of the same network
    give the same sequence. A constant that several operations take comes once for each of them.

    Args:
        xml: The graph, at most 8 MiB.
        content: The constants' bytes.

    Raises:
        IRError: No such graph, a document type or entities in it, or constants that do not lie in the bytes.
    """
    graph = _parse(xml)
    constants, total = [], 0
    for layer, consumer, port in graph.walk():
        if layer.element_type in _NOT_WEIGHTS:
            continue
        value = _value(layer, content)
        total += value.nbytes
        if total > _MOST_CONSTANT_BYTES:
            raise IRError(f"its constants are larger than {_MOST_CONSTANT_BYTES // 2**20} MiB")
        constants.append(Constant(consumer=consumer, port=port, value=value))
    return constants


@dataclass(kw_only=True)
class _Layer:
    """A layer, as its element says; the attributes of a constant are empty for any other."""

    key: int
    kind: str
    element_type: str = ""
    shape: str = ""
    offset: str = ""
    size: str = ""
    inputs: dict[int, int] = field(default_factory=dict)
    """By input port, the layer that it comes from."""


class _Graph:
    """The layers of an IR, filled as its elements come."""

    def __init__(self) -> None:
        self.layers: dict[int, _Layer] = {}
        self._current: _Layer | None = None
        self._edges: list[tuple[int, int, int]] = []

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        if tag == "layer":
            if len(self.layers) >= _MOST_LAYERS:
                raise IRError(f"it has more than {_MOST_LAYERS} layers")
            self._current = _Layer(key=_number(attributes.get("id")), kind=attributes.get("type", ""))
            if self.layers.setdefault(self._current.key, self._current) is not self._current:
                raise IRError(f"two of its layers are number {self._current.key}")
        elif tag == "data" and self._current is not None and self._current.kind == "Const":
            for name in ("element_type", "shape", "offset", "size"):
                setattr(self._current, name, attributes.get(name, ""))
        elif tag == "edge":
            source, target, port = (_number(attributes.get(name)) for name in ("from-layer", "to-layer", "to-port"))
            self._edges.append((source, target, port))

    def end(self, tag: str) -> None:
        if tag == "layer":
            self._current = None

    def connect(self) -> None:
        for source, target, port in self._edges:
            if source not in self.layers or target not in self.layers:
                raise IRError(f"an edge goes from layer {source} to layer {target}, and one of them is not there")
            self.layers[target].inputs[port] = source

    def walk(self) -> Iterator[tuple[_Layer, str, int]]:
        """Constants with their consumer and port; depth first from the results, without recursion."""
        results = [layer for layer in self.layers.values() if layer.kind == "Result"]
        if not results:
            raise IRError("it is a graph without a result")
        seen = {layer.key for layer in results}
        stack = [(layer, iter(sorted(layer.inputs.items()))) for layer in reversed(results)]
        while stack:
            layer, inputs = stack[-1]
            port, key = next(inputs, (-1, -1))
            if key < 0:
                stack.pop()
                continue
            source = self.layers[key]
            if source.kind == "Const":
                yield source, layer.kind, port
            elif key not in seen:
                seen.add(key)
                stack.append((source, iter(sorted(source.inputs.items()))))


def _parse(xml: bytes) -> _Graph:
    if len(xml) > _MOST_XML_BYTES:
        raise IRError(f"its graph is larger than {_MOST_XML_BYTES // 2**20} MiB")
    graph = _Graph()
    parser = expat.ParserCreate()
    parser.StartElementHandler = graph.start
    parser.EndElementHandler = graph.end
    # Entities can only be declared in a document type, and an IR has none.
    parser.StartDoctypeDeclHandler = _refuse_document_type
    try:
        parser.Parse(xml, True)
    except expat.ExpatError as error:
        raise IRError(f"its graph is no XML: {error}") from error
    graph.connect()
    return graph


def _refuse_document_type(*_: object) -> None:
    raise IRError("its graph declares a document type; that is where entities hide")


def _number(text: str | None) -> int:
    # int() alone takes signs, underscores, other scripts' digits, and as many of them as there are.
    if text is None or not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise IRError(f"'{(text or '')[:20]}' stands where a number should")
    return int(text)


def _value(layer: _Layer, content: bytes) -> npt.NDArray[np.float32]:
    where = f"constant {layer.key}"
    if layer.element_type not in _WEIGHTS:
        raise IRError(f"{where} holds '{layer.element_type[:20]}'; weights are {' or '.join(_WEIGHTS)}")
    dtype = _WEIGHTS[layer.element_type]
    parts = layer.shape.split(",") if layer.shape.strip() else []
    if len(parts) > _MOST_DIMENSIONS:
        raise IRError(f"{where} has more than {_MOST_DIMENSIONS} dimensions")
    shape = tuple(_number(part.strip()) for part in parts)
    offset, size = _number(layer.offset), _number(layer.size)
    if math.prod(shape) * dtype.itemsize != size:
        raise IRError(f"{where} of shape {shape} does not take the {size} bytes that it says")
    if offset + size > len(content):
        raise IRError(f"{where} ends at byte {offset + size}, and there are only {len(content)}")
    raw = np.frombuffer(content, dtype, count=math.prod(shape), offset=offset)
    value: npt.NDArray[np.float32] = raw.astype(np.float32).reshape(shape)
    if not np.isfinite(value).all():
        raise IRError(f"{where} holds values that are not finite")
    return value


__all__ = ["Constant", "IRError", "read_constants"]
