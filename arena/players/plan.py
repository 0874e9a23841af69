"""What a player is told before it is trained."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from fakeoff.arena.images.batch import Batch

Batches: TypeAlias = Callable[[], Iterator[Batch]]
"""All there is to learn from: called again, it comes in another order."""

Purpose: TypeAlias = Literal["pretrain", "attack", "defend"]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One training of a player, from its first step to its last.

    Attributes:
        purpose: ``pretrain`` on its own objective, ``attack`` (Eq. 4) or ``defend``.
        steps: At most.
        batch: Images a step.
        rate: The learning rate that is asked for; None leaves it to the player.
    """

    purpose: Purpose
    steps: int
    batch: int
    rate: float | None = None


__all__ = ["Batches", "Plan", "Purpose"]
