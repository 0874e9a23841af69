"""What detectors that are made of detectors have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from fakeoff.arena.errors import PluginError, one_line
from fakeoff.arena.players.specs import NamesFile, NamesFolder, NamesPlayers
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


def check_members(members: Sequence[str | Mapping[str, Any]], build: Callable[[], object]) -> None:
    """Refuses members before anything is played: of each its parameters, and of all whether they go together.

    Args:
        members: As a user names them.
        build: Builds the detector that they make, which says what does not go together.

    Raises:
        ValueError: With the reason, in one line.
    """
    from fakeoff.detectors import players

    for member in members:
        recipe: Mapping[str, Any] = {"plugin": member} if isinstance(member, str) else member
        if not isinstance(recipe.get("plugin"), str) or not isinstance(recipe.get("parameters", {}), Mapping):
            return  # no recipe: whoever reads it says what one is
        try:
            players.complete(recipe["plugin"], recipe.get("parameters", {}))
        except PluginError as error:
            raise ValueError(f"its member: {error}") from error
    if any(_names_a_file(member) for member in members):
        return  # it is opened in a job, which has limits: a model may be hostile
    try:
        build()
    except ValueError:
        raise
    except Exception as error:
        raise ValueError(f"it cannot be built: {one_line(error)}") from error


def _names_a_file(member: str | Mapping[str, Any]) -> bool:
    from fakeoff.detectors import players

    if isinstance(member, str):
        return False
    given = member.get("parameters", {})
    for parameter in players.parameters(member["plugin"]):
        value = given.get(parameter.name)
        marks = getattr(parameter.annotation, "__metadata__", ())
        if value and any(isinstance(mark, NamesFile | NamesFolder) for mark in marks):
            return True
        if value and any(isinstance(mark, NamesPlayers) for mark in marks):
            below = [value] if isinstance(value, str | Mapping) else value
            if any(_names_a_file(one) for one in below):
                return True
    return False


def mean_score(judges: Sequence[Detector], images: Tensor) -> Tensor:
    """The mean of what they say of each image; float32 ``(n,)``."""
    return torch.stack([judge.score(images) for judge in judges]).mean(0)


def mean_evasion_loss(judges: Sequence[Detector], images: Tensor) -> Tensor:
    """The mean of their own, a scalar: each is to be fooled."""
    return torch.stack([judge.evasion_loss(images) for judge in judges]).mean()


__all__ = ["build_member", "check_members", "mean_evasion_loss", "mean_score"]
