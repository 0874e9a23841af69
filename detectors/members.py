"""What detectors that are made of detectors have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from fakeoff.detectors.interface import Detector


def build_member(member: str | Mapping[str, Any]) -> Detector:
    """Builds a detector that a parameter names.

    Args:
        member: Its name, or a table with ``plugin`` and ``parameters``.

    Raises:
        PluginError: There is none of that name, or it does not load.
    """
    from fakeoff.detectors import players  # which knows the one that asks by name

    recipe: Mapping[str, Any] = {"plugin": member} if isinstance(member, str) else member
    return players.build(recipe["plugin"], recipe.get("parameters", {}))


def mean_score(judges: Sequence[Detector], images: Tensor) -> Tensor:
    """The mean of what they say of each image; float32 ``(n,)``."""
    return torch.stack([judge.score(images) for judge in judges]).mean(0)


def mean_evasion_loss(judges: Sequence[Detector], images: Tensor) -> Tensor:
    """The mean of their own, a scalar: each is to be fooled."""
    return torch.stack([judge.evasion_loss(images) for judge in judges]).mean()


__all__ = ["build_member", "mean_evasion_loss", "mean_score"]
