"""Which operations are known, and by which rule. One that is not here is refused: its geometry is not known."""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from fakeoff.detectors.geometry import rules
from fakeoff.detectors.geometry.feature_map import UnknownGeometry
from fakeoff.detectors.geometry.rules import Rule

POINTWISE_MODULES: frozenset[type[nn.Module]] = frozenset(
    {
        nn.BatchNorm2d, nn.Identity, nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.PReLU, nn.ELU, nn.SELU, nn.CELU, nn.GELU,
        nn.SiLU, nn.Mish, nn.Hardswish, nn.Hardsigmoid, nn.Hardtanh, nn.Sigmoid, nn.Tanh, nn.Softplus, nn.Softsign,
        nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.AlphaDropout,
    }
)  # fmt: skip
"""Modules that see each unit by itself, in eval mode."""

POINTWISE_FUNCTIONS: frozenset[Any] = frozenset(
    {
        F.relu, F.relu_, torch.relu, torch.relu_, F.relu6, F.leaky_relu, F.prelu, F.elu, F.selu, F.celu, F.gelu,
        F.silu, F.mish, F.hardswish, F.hardsigmoid, F.hardtanh, F.sigmoid, torch.sigmoid, F.tanh, torch.tanh,
        F.softplus, F.dropout, F.dropout2d, F.batch_norm, torch.clone, operator.neg,
    }
)  # fmt: skip
"""Functions likewise."""

POINTWISE_METHODS: frozenset[str] = frozenset(
    {"relu", "relu_", "sigmoid", "sigmoid_", "tanh", "contiguous", "clone", "detach", "float", "type", "to"}
)
"""Methods of tensors likewise."""

# Known by their names, because they are other libraries', which may not be there.
_POINTWISE_NAMES = frozenset({"torchvision.ops.stochastic_depth.stochastic_depth"})

_WHOLE_IMAGE = {
    "adaptive": "it pools over the whole image",
    "mean": "it pools over the whole image",
    "flatten": "it ends the grid of units",
    "attention": "attention sees more than a window",
    "softmax": "attention sees more than a window",
    "matmul": "attention sees more than a window",
    "einsum": "attention sees more than a window",
    "groupnorm": "its statistics are of the whole image",
    "group_norm": "its statistics are of the whole image",
    "instancenorm": "its statistics are of the whole image",
    "instance_norm": "its statistics are of the whole image",
    "same": "its padding depends on the image's size",
}

_MODULES: dict[type[nn.Module], Rule] = {
    **dict.fromkeys(POINTWISE_MODULES, rules.pointwise),
    nn.BatchNorm2d: rules.batch_norm,
    nn.Conv2d: rules.conv,
    nn.MaxPool2d: rules.pool,
    nn.AvgPool2d: rules.pool,
    nn.Linear: rules.linear,
    nn.LayerNorm: rules.layer_norm,
}

_FUNCTIONS: dict[Any, Rule] = {
    **dict.fromkeys(POINTWISE_FUNCTIONS, rules.pointwise),
    **dict.fromkeys(
        (operator.add, operator.iadd, operator.sub, operator.isub, operator.mul, operator.imul, operator.truediv,
         torch.add, torch.sub, torch.mul, torch.maximum, torch.minimum),
        rules.branches,
    ),
    F.batch_norm: rules.batch_norm,
    F.conv2d: rules.conv_function,
    torch.conv2d: rules.conv_function,
    F.max_pool2d: rules.max_pool_function,
    torch.max_pool2d: rules.max_pool_function,
    F.avg_pool2d: rules.avg_pool_function,
    F.linear: rules.linear,
    F.layer_norm: rules.layer_norm,
    torch.permute: rules.permute,
    torch.transpose: rules.transpose,
    torch.swapaxes: rules.transpose,
    torch.reshape: rules.reshape,
    torch.cat: rules.cat,
    torch.concat: rules.cat,
    torch.chunk: rules.split,
    torch.split: rules.split,
}  # fmt: skip

_METHODS: dict[str, Rule] = {
    **dict.fromkeys(POINTWISE_METHODS, rules.pointwise),
    **dict.fromkeys(("add", "add_", "sub", "sub_", "mul", "mul_"), rules.branches),
    "permute": rules.permute,
    "transpose": rules.transpose,
    "view": rules.reshape,
    "reshape": rules.reshape,
    "chunk": rules.split,
    "split": rules.split,
}


def is_pointwise(target: Any) -> bool:
    """Whether a function sees each unit by itself."""
    named = f"{getattr(target, '__module__', '')}.{getattr(target, '__name__', '')}"
    return target in POINTWISE_FUNCTIONS or named in _POINTWISE_NAMES


def rule_of(kind: str, target: Any, name: str) -> Rule:
    """Finds out how an operation changes a map.

    Args:
        kind: ``call_module``, ``call_function`` or ``call_method``.
        target: The module's class, the function, or the method's name.
        name: What it is called, for people.

    Raises:
        UnknownGeometry: Nobody knows, or it sees the whole image.
    """
    if kind == "call_module":
        rule = _MODULES.get(target)
    elif kind == "call_method":
        rule = _METHODS.get(target)
    else:
        rule = _FUNCTIONS.get(target, rules.pointwise if is_pointwise(target) else None)
    if rule is None:
        lowered = name.lower()
        raise UnknownGeometry(
            next((reason for word, reason in _WHOLE_IMAGE.items() if word in lowered), "its geometry is not known")
        )
    return rule


__all__ = ["POINTWISE_METHODS", "POINTWISE_MODULES", "is_pointwise", "rule_of"]
