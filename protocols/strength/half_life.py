"""Half-lives: how hard one has to push until a detector is no better than a level."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fakeoff.protocols.score.replicates import Draws


@dataclass(frozen=True, kw_only=True)
class HalfLife:
    """Where a curve of average precision falls below a level.

    Attributes:
        value: On the axis of the curve; infinite where it never does, 0 where it begins below.
        low: The lower end of its interval; infinite likewise.
        high: The upper one.
        furthest: The largest budget; infinite where what it cost is told, which may fall again.
    """

    value: float
    low: float
    high: float
    furthest: float

    @property
    def words(self) -> str:
        """``23 (17 to 41)``, with ``> 160`` in place of what lies beyond; alone where nothing else may be."""
        value, low, high = (self._one(end) for end in (self.value, self.low, self.high))
        return value if value == low == high else f"{value} ({low} to {high})"

    @property
    def is_reached(self) -> bool:
        """Whether it falls below the level at all."""
        return not math.isinf(self.value)

    def _one(self, value: float) -> str:
        if not math.isinf(value):
            return f"{value:.3g}"
        return "not reached" if math.isinf(self.furthest) else f"> {self.furthest:.3g}"


def measure_half_life(
    places: Sequence[float],
    ap: Sequence[Draws],
    *,
    level: float,
    confidence: float,
    rng: np.random.Generator,
    costs: Sequence[float] | None = None,
) -> HalfLife:
    """Finds where a curve falls below a level for the first time, with a percentile interval over people and seeds.

    Between two places the curve is taken for a straight line. In each resample of people as many seeds are drawn again,
    too; the curve is their mean.

    Args:
        places: Of the points, such as steps: ascending, from 0.
        ap: At each point: ``(seeds, 1 + resamples)``, of shared draws.
        level: Average precision below which a detector counts as broken.
        confidence: Of the interval, as a share.
        rng: The source of the draws of seeds.
        costs: What each budget cost the images: where they are given, what it had cost them by then is told in place of
            the budget. More steps need not cost more.
    """
    curves = np.stack(list(ap))  # points, seeds, 1 + resamples
    _, seeds, columns = curves.shape
    chosen = rng.integers(0, seeds, size=(seeds, columns))
    chosen[:, 0] = np.arange(seeds)  # the first column is that of the figures as they are
    mean = np.take_along_axis(curves, chosen[None], axis=1).mean(axis=1)
    found = _first_below(np.asarray(places, dtype=np.float64), mean, level)
    if costs is not None:
        found = np.where(np.isinf(found), np.inf, np.interp(found, places, costs))
    tails = ((1 - confidence) / 2, (1 + confidence) / 2)
    low = np.quantile(found[1:], tails[0], method="lower")
    high = np.quantile(found[1:], tails[1], method="higher")
    return HalfLife(
        value=float(found[0]),
        low=float(low),
        high=float(high),
        furthest=math.inf if costs is not None else float(places[-1]),
    )


def _first_below(places: npt.NDArray[np.float64], curves: Draws, level: float) -> npt.NDArray[np.float64]:
    """Of each column ``(points, columns)``."""
    below = curves < level
    first = below.argmax(axis=0)
    columns = np.arange(curves.shape[1])
    before = np.maximum(first - 1, 0)
    upper, lower = curves[before, columns], curves[first, columns]
    share = np.where(first > 0, (upper - level) / np.where(upper > lower, upper - lower, 1), 0.0)
    found = places[before] + share * (places[first] - places[before])
    return np.where(below.any(axis=0), np.where(first > 0, found, places[0]), np.inf)


__all__ = ["HalfLife", "measure_half_life"]
