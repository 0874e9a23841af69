"""What players return, held to its shape."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from fakeoff.arena.errors import JobFailed


def check_tensor(
    value: Any,
    shape: tuple[int | str, ...],
    *,
    what: str,
    device: torch.device,
    dtype: torch.dtype = torch.float32,
) -> None:
    """Refuses what a player returned where a tensor is wanted.

    Args:
        value: What came.
        shape: That is wanted; names stand for sides that any number may have.
        what: It is, for people.
        device: Where it has to lie.
        dtype: Of its values.

    Raises:
        JobFailed: Something is wrong with it, or it is not finite.
    """
    if not isinstance(value, Tensor):
        raise JobFailed(f"{what} returned {type(value).__name__}, not a tensor of shape {shape}")
    if tuple(value.shape) != shape:
        raise JobFailed(f"{what} returned shape {tuple(value.shape)}, not {shape}")
    if value.dtype != dtype:
        raise JobFailed(f"{what} returned {value.dtype}, not {dtype}")
    if value.device.type != device.type:
        raise JobFailed(f"{what} returned a tensor on {value.device}, and the images are on {device}; move it back")
    if not torch.isfinite(value).all():
        raise JobFailed(f"{what} returned NaN or infinite values")


__all__ = ["check_tensor"]
