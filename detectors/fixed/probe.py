"""A linear layer on the features of somebody's network: what a probe on CLIP is, for one."""

from __future__ import annotations

import io
import json
import math
import struct
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor, nn
from torch.nn import functional as F

from fakeoff.arena.errors import PluginError
from fakeoff.arena.players.checkpoints.limits import said
from fakeoff.arena.players.checkpoints.recognising import explain_safetensors, recognise

_MOST_BYTES = 64 * 2**20


class Probe(nn.Module):
    """Features to logits: each image's features are brought to length 1, then a linear layer.

    Without a file it passes on what it is given.

    Args:
        content: The bytes of a ``.safetensors`` with ``weight`` ``(k, d)`` or ``(d,)`` and perhaps ``bias``, or of a
            JSON table with ``weights`` (or ``weight``), a list of ``d`` numbers, and perhaps ``bias``, one number.

    Raises:
        PluginError: It is none of these.
    """

    weight: Tensor
    bias: Tensor

    def __init__(self, content: bytes = b"") -> None:
        super().__init__()
        weight, bias = _read(content) if content else (torch.zeros(0, 0), torch.zeros(0))
        self.register_buffer("weight", weight)
        self.register_buffer("bias", bias)
        self.register_load_state_dict_pre_hook(_take_its_size)  # type: ignore[no-untyped-call]

    def forward(self, features: Tensor) -> Tensor:
        """Judges features.

        Args:
            features: float32 ``(n, d)``.

        Returns:
            float32 ``(n, k)``; the features where there is no probe.

        Raises:
            PluginError: There are more or fewer features than weights.
        """
        if not self.weight.numel():
            return features
        if features.shape[1] != self.weight.shape[1]:
            raise PluginError(
                f"the probe is for {self.weight.shape[1]} features, and the model gives {features.shape[1]} values"
            )
        return F.linear(F.normalize(features, dim=1), self.weight, self.bias)


def _read(content: bytes) -> tuple[Tensor, Tensor]:
    if len(content) > _MOST_BYTES:
        raise PluginError(f"the probe is larger than {_MOST_BYTES // 2**20} MiB")
    try:
        found = _of_json(content) if content.lstrip()[:1] == b"{" else load(content)
        weight = found["weight"].float()
        weight = weight[None] if weight.ndim == 1 else weight
        bias = found["bias"].float().reshape(-1) if "bias" in found else torch.zeros(len(weight))
        if weight.ndim != 2 or bias.shape != weight.shape[:1] or not weight.numel():
            raise ValueError(f"weight of {tuple(weight.shape)} and bias of {tuple(bias.shape)}")
        if not (weight.isfinite().all() and bias.isfinite().all()):
            raise ValueError("values that are not finite")
    except (KeyError, ValueError, TypeError, AttributeError, RecursionError, SafetensorError, struct.error) as error:
        why = _why(content) or said(error)
        raise PluginError(
            f"the probe cannot be read: {why}; give a .safetensors with weight and bias, or JSON"
        ) from error
    return weight, bias


def _why(content: bytes) -> str:
    """What it is, where it is neither a table nor safetensors, or what is wrong with that."""
    file = io.BytesIO(content)
    found = recognise(file)
    if found.kind == "safetensors":
        return explain_safetensors(file)
    return "" if found.kind in ("table", "unknown") else f"it is {found.what}"


def _of_json(content: bytes) -> dict[str, Tensor]:
    table = json.loads(content)
    if not isinstance(table, dict):
        raise TypeError("no table")
    weight = table.get("weights", table.get("weight"))
    if not isinstance(weight, list) or not all(isinstance(value, int | float) for value in weight):
        raise ValueError("no list of numbers called weights")
    bias = table.get("bias", 0.0)
    if not isinstance(bias, int | float) or not math.isfinite(bias):
        raise ValueError("a bias that is no number")
    return {"weight": torch.tensor(weight, dtype=torch.float32), "bias": torch.tensor([float(bias)])}


def _take_its_size(module: nn.Module, state: dict[str, Any], prefix: str, *_: Any) -> None:
    """A version's state says how large it is."""
    for name in ("weight", "bias"):
        value = state.get(f"{prefix}{name}")
        if isinstance(value, Tensor):
            setattr(module, name, torch.empty_like(value, device=getattr(module, name).device))


__all__ = ["Probe"]
