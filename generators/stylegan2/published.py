"""Weights in the names of NVIDIA's ``stylegan2-ada-pytorch``, as a player's state.

The names of its ``G_ema`` and ``D`` are ours too. What is more in them are filters, which must be the only ones that
there are, and what belongs to classes, which is refused.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from fakeoff.generators.stylegan2.layers import resample_filter

_PARTS = {"G_ema.": "average.", "D.": "critic."}


def is_published(state: Mapping[str, Tensor]) -> bool:
    """Whether a state dict has NVIDIA's names: those of ``G_ema`` alone, or behind ``G_ema.``, ``D.`` or not."""
    return any(name.startswith(("synthesis.b4.", "G_ema.synthesis.b4.")) for name in state)


def from_published(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Renames a published state dict.

    Args:
        state: ``G_ema``'s names by themselves; or ``G_ema.`` and ``D.`` before the names of each. Other networks of a
            published file (``G.``) are left out.

    Returns:
        The part of a player's state that it says: ``average.``, ``generator.`` (the same weights, from which training
        goes on) and, where there is a ``D``, ``critic.``.

    Raises:
        RuntimeError: It was trained with classes, or filters otherwise; as of weights that do not fit.
    """
    if not any(name.startswith("G_ema.") for name in state):
        state = {f"G_ema.{name}": value for name, value in state.items()}
    renamed: dict[str, Tensor] = {}
    for name, value in state.items():
        for part, ours in _PARTS.items():
            if name.startswith(part) and not _is_filter(name, value):
                renamed[ours + name.removeprefix(part)] = value
    if classes := [name for name in renamed if ".embed." in name or name.startswith("critic.mapping.")]:
        raise RuntimeError(
            f"the published weights hold '{classes[0]}': that network was trained with classes, and stylegan2 has "
            "none; give one that was trained without (c_dim 0)"
        )
    current = {
        name.replace("average.", "generator.", 1): value
        for name, value in renamed.items()
        if name.startswith("average.")
    }
    return renamed | current


def _is_filter(name: str, value: Tensor) -> bool:
    if not name.endswith(".resample_filter"):
        return False
    if not value.is_meta:
        expected = resample_filter()
        if value.shape != expected.shape or not torch.allclose(value.float().cpu(), expected, atol=1e-3):
            raise RuntimeError(
                f"the published weights filter otherwise in '{name}': stylegan2 filters with [1, 3, 3, 1]"
            )
    return True
