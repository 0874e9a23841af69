"""What is seen of a reprojection on the way, how many steps val says, and what a distance is held against."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

_LEAST_GAIN = 0.01
_PATIENCE = 3


@dataclass(frozen=True, kw_only=True)
class Look:
    """How near the images are after some steps, as they lie in pools.

    Attributes:
        steps: That were taken.
        distance: The mean distance to the photographs.
        levels: The root mean squared error, in levels of 8 bits; the mean of the images'.
    """

    steps: int
    distance: float
    levels: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Seen:
    """What a look sees, image by image; all on the CPU. The images themselves are made anew of the latents.

    Attributes:
        steps: That were taken.
        z: Latents, float32 ``(n, latent_dim)``.
        distance: Of their images to the photographs, float32 ``(n,)``.
        levels: Root mean squared errors in levels, float32 ``(n,)``.
    """

    steps: int
    z: Tensor
    distance: Tensor
    levels: Tensor

    @property
    def look(self) -> Look:
        """Their means."""
        distance, levels = self.distance.double().mean().item(), self.levels.double().mean().item()
        return Look(steps=self.steps, distance=distance, levels=levels)


def join(parts: Sequence[Seen]) -> Seen:
    """The same look at several batches as one."""
    return Seen(
        steps=parts[0].steps,
        z=torch.cat([part.z for part in parts]),
        distance=torch.cat([part.distance for part in parts]),
        levels=torch.cat([part.levels for part in parts]),
    )


def choose_look(curve: Sequence[Look]) -> int:
    """The first look from which three more bring the distance down by no more than 1%; the last one if there is none.

    Args:
        curve: Looks at val, in order.

    Returns:
        Its place in the curve.
    """
    for place, look in enumerate(curve):
        ahead = curve[place + 1 : place + 1 + _PATIENCE]
        if len(ahead) == _PATIENCE and min(later.distance for later in ahead) >= (1 - _LEAST_GAIN) * look.distance:
            return place
    return min(range(len(curve)), key=lambda place: curve[place].distance)


def neighbours(persons: Sequence[int]) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Pairs of photographs: of one person, the next one in a circle; and of two, one of the person that comes next.

    Args:
        persons: Who is on each.

    Returns:
        Places, of one person and of two.
    """
    who = np.asarray(persons)
    everybody = list(dict.fromkeys(who.tolist()))
    places = {person: np.flatnonzero(who == person) for person in everybody}
    same, other = [], []
    for person, following in zip(everybody, [*everybody[1:], *everybody[:1]], strict=True):
        mine, theirs = places[person], places[following]
        if len(mine) > 1:
            same += list(zip(mine.tolist(), np.roll(mine, -1).tolist(), strict=True))
        if following != person:
            other += list(zip(mine.tolist(), np.resize(theirs, len(mine)).tolist(), strict=True))
    return same, other


__all__ = ["Look", "Seen", "choose_look", "join", "neighbours"]
