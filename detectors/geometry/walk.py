"""A network's graph, walked from the image to its end: which pixels a unit of the last map sees."""

from __future__ import annotations

import copy
import operator
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, fx, nn

from fakeoff.detectors.geometry.feature_map import FeatureMap, UnknownGeometry
from fakeoff.detectors.geometry.known import rule_of
from fakeoff.detectors.geometry.rules import Constant, Operation
from fakeoff.detectors.receptive_field import ReceptiveField

# Height and width differ, and are prime, so that no axis is taken for another; no network is too deep for it.
_SHOWN = (509, 641)
_SHAPE = "fakeoff_shape"


def follow(network: nn.Module) -> FeatureMap:
    """Follows a network from the image to the map that comes out.

    Args:
        network: ``(n, 3, h, w)`` to one map. It is traced in eval mode; none of it is changed.

    Returns:
        The map: what its units see, and how many channels there are.

    Raises:
        UnknownGeometry: It cannot be traced, or an operation sees the whole image, or is not known.
    """
    network = copy.deepcopy(network).eval().to("meta")
    graph = traced(network)
    shapes = _Shapes(network, graph=graph)
    try:
        with torch.no_grad():
            shapes.run(torch.empty(1, 3, *_SHOWN, device="meta"))
    except Exception as error:
        sides = " x ".join(map(str, _SHOWN))
        raise UnknownGeometry(
            f"it does not run on images of {sides} pixels, and a patch detector takes any: {first_line(error)}"
        ) from error
    known: dict[fx.Node, Any] = {}
    for node in graph.nodes:
        if node.op == "placeholder":
            known[node] = FeatureMap(rows=ReceptiveField(), columns=ReceptiveField(), shape=node.meta[_SHAPE])
        elif node.op == "output":
            return _the_map(fx.node.map_arg(node.args[0], known.__getitem__))
        else:
            known[node] = _result(network, node, known)
    raise UnknownGeometry("nothing comes out of it")


def traced(network: nn.Module) -> fx.Graph:
    """A network's graph, down to layers of PyTorch's and what cannot be looked into.

    Raises:
        UnknownGeometry: It has none.
    """
    try:
        return _Tracer(autowrap_functions=()).trace(network)
    except Exception as error:
        raise UnknownGeometry(f"it cannot be traced: {first_line(error)}") from error


def first_line(error: Exception) -> str:
    """An error without what the interpreter adds to it."""
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0]}"


class _Tracer(fx.Tracer):
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        # A layer that its library keeps from tracing decides by values what it does.
        return super().is_leaf_module(m, module_qualified_name) or type(m).__name__.endswith("Same")


class _Shapes(fx.Interpreter):
    """Writes to each node the shape of what comes out of it."""

    def run_node(self, n: fx.Node) -> Any:
        result = super().run_node(n)
        first = result[0] if isinstance(result, list | tuple) and result else result
        n.meta[_SHAPE] = tuple(first.shape) if isinstance(first, Tensor) else None
        n.meta["value"] = None if isinstance(first, Tensor) else result
        return result


def _result(network: nn.Module, node: fx.Node, known: dict[fx.Node, Any]) -> Any:
    """What comes out of a node: a map, a constant, or a plain value."""
    look_up: Callable[[fx.Node], Any] = known.__getitem__
    arguments = fx.node.map_arg(node.args, look_up)
    options = fx.node.map_arg(node.kwargs, look_up)
    shape = node.meta[_SHAPE]
    if shape is None:
        return node.meta["value"]  # a size, and what is worked out from sizes
    module = network.get_submodule(str(node.target)) if node.op == "call_module" else None
    op = Operation(module=module, arguments=tuple(arguments), options=options, shape=shape)
    if not op.maps:
        return Constant(shape=shape)
    if node.target is operator.getitem and _is_of_several(node):
        return op.map.with_shape(shape)
    target = type(module) if module is not None else node.target
    name = getattr(target, "__name__", str(target))
    try:
        return rule_of(node.op, target, name)(op)
    except UnknownGeometry as error:
        raise UnknownGeometry(f"operation {name} ({_place(node)}): {error}") from error


def _is_of_several(node: fx.Node) -> bool:
    """Whether a node takes one of several tensors, and not a part of one."""
    source = node.args[0]
    return isinstance(source, fx.Node) and source.target in ("chunk", "split", torch.chunk, torch.split)


def _place(node: fx.Node) -> str:
    if node.op == "call_module":
        return str(node.target)
    stack = list(node.meta.get("nn_module_stack", {}))
    return str(stack[-1]) if stack and stack[-1] else node.name


def _the_map(result: Any) -> FeatureMap:
    found = list(result.values()) if isinstance(result, dict) else [result]
    if len(found) != 1 or not isinstance(found[0], FeatureMap):
        raise UnknownGeometry("what comes out of it is no feature map")
    if found[0].axes != (-2, -1) or len(found[0].shape) != 4:
        raise UnknownGeometry(f"what comes out of it is no map (n, c, h, w) but has the shape {found[0].shape}")
    return found[0]


__all__ = ["first_line", "follow", "traced"]
