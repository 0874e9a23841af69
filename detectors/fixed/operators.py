"""Which of PyTorch's operators a file may call: those that compute tensors from tensors and numbers, and no others.

Both formats of PyTorch name operators, and some of those reach beyond tensors: ``aten::from_file`` maps a file that it
may make, ``aten::save`` writes one. So each is held to its signature: text is taken only by arguments that choose a way
to compute, and nothing is taken that is no value.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from typing import Any

import torch

# Arguments whose text chooses how something is computed, and those of operators on text alone.
_TEXTS = frozenset(
    {
        "UPLO", "approximate", "driver", "equation", "indexing", "interpolation", "message", "mode", "norm", "ord", "p",
        "pad_mode", "padding", "padding_mode", "padding_side", "reduce", "rounding_mode", "side",
        "a", "b", "dict", "el", "idx", "input", "inputs", "item", "key", "l", "s", "self", "string", "t",
    }
)  # fmt: skip
_WORDS = re.compile(r"[\w.]+")
_CONTAINERS = frozenset({"List", "Optional", "Dict", "Tuple", "Future"})
_VALUES = frozenset(
    {
        "Tensor", "int", "float", "bool", "number", "complex", "Device", "Generator", "NoneType", "Any", "AnyEnumType",
        "t", "t1", "t2", "tVal",
    }
)  # fmt: skip
# Underscored operators are PyTorch's own business, but for those that exports consist of.
_UNDERSCORED = frozenset(
    {
        "__and__", "__contains__", "__derive_index", "__getitem__", "__is__", "__isnot__", "__not__", "__or__",
        "__range_length", "_adaptive_avg_pool2d", "_assert_tensor_metadata", "_convolution", "_log_softmax",
        "_native_batch_norm_legit_no_training",
        "_safe_softmax", "_scaled_dot_product_flash_attention_for_cpu", "_softmax", "_to_copy", "_unsafe_view",
        "_upsample_bicubic2d_aa", "_upsample_bilinear2d_aa",
    }
)  # fmt: skip
# They change what is not theirs, by numbers alone.
_REFUSED = frozenset({"manual_seed", "seed", "set_", "set_grad_enabled", "wait"})


@functools.cache
def why_refused(name: str) -> str:
    """Says why an operator of PyTorch's own, ``aten::NAME``, may not be called; empty where it may.

    Args:
        name: Without the name of an overload.
    """
    if name in _REFUSED or (name.startswith("_") and name not in _UNDERSCORED):
        return "it is none that networks consist of"
    if not is_operator(name):
        return "PyTorch has none of that name"
    for schema in _schemas(name):
        for argument in schema.arguments:
            for kind in set(_WORDS.findall(str(argument.type))) - _CONTAINERS - _VALUES:
                if kind != "str" or argument.name not in _TEXTS:
                    return f"it takes a {kind}, '{argument.name}'"
    return ""


def is_operator(name: str) -> bool:
    """Whether PyTorch has an operator of that name, ``aten::NAME``."""
    return bool(_schemas(name))


def _schemas(name: str) -> Sequence[Any]:
    try:
        return torch._C._jit_get_schemas_for_operator(f"aten::{name}")
    except RuntimeError:
        return ()


__all__ = ["is_operator", "why_refused"]
