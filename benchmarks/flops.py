"""Counts the floating-point operations of a step."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode


def count(step: Callable[[], Any]) -> int:
    """Products and sums of a step's convolutions and matrix products; each is one operation."""
    aten = torch.ops.aten
    with FlopCounterMode(display=False, custom_mapping={aten.convolution_backward: _convolution_backward}) as counter:
        step()
    return int(counter.get_total_flops())


def _convolution_backward(
    gradient: Sequence[int],
    images: Sequence[int],
    weight: Sequence[int],
    bias: Any,
    stride: Any,
    padding: Any,
    dilation: Any,
    transposed: bool,
    output_padding: Any,
    groups: int,
    wanted: Sequence[bool],
    **_: Any,
) -> int:
    # PyTorch's own formula counts the weights' gradient of a grouped convolution as if it had no groups: a depthwise
    # one of 128 channels 128 times.
    places = math.prod(images) if transposed else math.prod(gradient)
    return 2 * places * math.prod(weight[1:]) * (bool(wanted[0]) + bool(wanted[1]))
