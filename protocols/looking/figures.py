"""What looks come to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from fakeoff.detectors.receptive_field import ReceptiveField
from fakeoff.protocols.score.part_shift import PartShift

Shares: TypeAlias = Mapping[str, float]
"""By part of the face; they sum to 1."""

Intervals: TypeAlias = Mapping[str, tuple[float, float]]
"""By part of the face, by bootstrap over people where it is known who is on the images, else over images."""


@dataclass(frozen=True, kw_only=True)
class PartsOfSide:
    """On which parts of the face the most predictive patches of one side's images lie.

    Attributes:
        n: Images.
        ties: Those in which several patches share the highest probability.
        parts: Shares by part.
        parts_ci: Their intervals.
        random_parts: Shares by part of random patches of the same images.
        averaged_over: How many of the easiest images the mean heatmap is of.
        people: How many persons the intervals are over; None: nobody knows who is on the images, and they are over
            images.
    """

    n: int
    ties: int
    parts: Shares
    parts_ci: Intervals
    random_parts: Shares
    averaged_over: int
    people: int | None = None


@dataclass(frozen=True, kw_only=True)
class LookFigures(PartsOfSide):
    """A detector's look at one side's images.

    Attributes:
        receptive_field: The detector's.
        has_parts: Whether any patch leaves out a part of the image.
        side: Pixels a side at which it was shown the images, which the receptive field counts; None is the pool's.
    """

    receptive_field: ReceptiveField
    has_parts: bool
    side: int | None = None


@dataclass(frozen=True, kw_only=True)
class ShiftFigures:
    """How the parts that give fakes away moved through an attack and the defence after it.

    Attributes:
        n: Fakes.
        before: The frozen detector at the generator's previous version.
        before_ci: Its intervals.
        frozen: The same detector at the attacked version.
        frozen_ci: Likewise.
        retrained: Its successor at the attacked version.
        retrained_ci: Likewise.
        random: The retrained detector's random patches.
        shift: From ``before`` to ``retrained``.
        shift_on_same_images: From ``frozen`` to ``retrained``.
    """

    n: int
    before: Shares
    before_ci: Intervals
    frozen: Shares
    frozen_ci: Intervals
    retrained: Shares
    retrained_ci: Intervals
    random: Shares
    shift: PartShift
    shift_on_same_images: PartShift
