"""Intervals of figures of test, of their differences, means and worst cases: all from the same draws.

A figure comes with its bootstrap draws, over people (:class:`fakeoff.protocols.score.people.Units`). Percentiles of
these would be too narrow where people are few, and a point where a figure is perfect. So a share's interval is the
score interval of Wilson (JASA 22, 1927) with the bootstrap's variance in the place of the binomial's: all values from
which the figure is no further away than Student's distribution allows, if variance goes with ``x (1 - x)``. It has no
width of zero: the variance is taken for no smaller than that of as many independent images.
``benchmarks/coverage.py`` shows how often such intervals hold the truth.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Interval: TypeAlias = tuple[float, float]
Draws: TypeAlias = npt.NDArray[np.floating]


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A share, or a difference of shares, with its resamples.

    Attributes:
        value: It, in [0, 1]; of a difference in [-1, 1].
        draws: Its bootstrap resamples, ``(resamples,)``.
        units: How many independent units the resamples drew from: of two sides the fewer.
        least: The smallest variance that it may have, as a share of ``value (1 - value)``: :func:`least_variance`.
    """

    value: float
    draws: Draws
    units: int
    least: float

    @property
    def variance(self) -> float:
        """Of its sampling: the bootstrap's, which is too small by ``units / (units - 1)``."""
        return float(np.var(self.draws, dtype=np.float64)) * self.units / max(1, self.units - 1)

    @property
    def complement(self) -> Figure:
        """What is left of 1: of the share of fakes that are found, that of those that pass."""
        return replace(self, value=1 - self.value, draws=1 - self.draws)

    def interval(self, confidence: float) -> Interval:
        """Its interval, within [0, 1] and around it.

        Args:
            confidence: As a share.
        """
        spread = self.value * (1 - self.value)
        # A single person's share, 0 or 1, varies by all of the spread: nothing varies by more.
        dispersion = max(min(self.variance / spread, 1.0) if spread > _ROUNDING else 0.0, self.least)
        # (value - x)^2 = reach x (1 - x), for x
        reach = quantile(confidence, self.units) ** 2 * dispersion
        middle = 2 * self.value + reach
        root = math.sqrt(max(0.0, middle**2 - 4 * (1 + reach) * self.value**2))
        low, high = ((middle + sign * root) / (2 * (1 + reach)) for sign in (-1, 1))
        return max(0.0, min(low, self.value)), min(1.0, max(high, self.value))


@dataclass(frozen=True, kw_only=True)
class Difference:
    """By how much one figure is above another, of the same people.

    Attributes:
        value: In [-1, 1].
        ci: Its interval.
    """

    value: float
    ci: Interval

    @property
    def holds(self) -> bool:
        """Whether the interval leaves out 0."""
        return not self.ci[0] <= 0 <= self.ci[1]


def least_variance(images: int, *, sides: int) -> float:
    """The smallest variance of a share of that many images, relative to ``share (1 - share)``.

    A share of n independent images has 1 / n. An accuracy at 50/50 prevalence, the mean of one of the reals and one of
    the fakes, has half of that; so has, near 1, the area under the ROC curve (Hanley and McNeil, Radiology 143, 1982).

    Args:
        images: Of two sides the fewer.
        sides: 2 where reals and fakes both count, 1 where only one of them does.
    """
    return 1 / (sides * images)


def mean_of(figures: Sequence[Figure], weights: Sequence[float] | None = None) -> Figure:
    """The mean of figures of the same people.

    Args:
        figures: At least one.
        weights: Of each, not below 0; all weigh the same by default.
    """
    return Figure(
        value=float(np.average([figure.value for figure in figures], weights=weights)),
        draws=np.average([figure.draws for figure in figures], axis=0, weights=weights),
        units=min(figure.units for figure in figures),
        least=max(figure.least for figure in figures),
    )


def worst_of(figures: Sequence[Figure]) -> Figure:
    """The lowest of figures; :func:`interval_of_worst` has its interval.

    Args:
        figures: At least one.
    """
    lowest = min(figures, key=lambda figure: figure.value)
    return Figure(
        value=lowest.value,
        draws=np.min([figure.draws for figure in figures], axis=0),
        units=min(figure.units for figure in figures),
        least=max(figure.least for figure in figures),
    )


def interval_of_worst(figures: Sequence[Figure], confidence: float) -> Interval:
    """An interval of the lowest of figures.

    The true lowest one is below all lower ends no more often than its own interval allows. It is above an upper end if
    that one's figure is, so that each of the upper ends has its part of the error (Bonferroni). The bootstrap of a
    minimum would be biased downwards, where several are near each other.

    Args:
        figures: At least one.
        confidence: As a share.
    """
    shared = 1 - (1 - confidence) / len(figures)
    low = min(figure.interval(confidence)[0] for figure in figures)
    high = min(figure.interval(shared)[1] for figure in figures)
    worst = min(figure.value for figure in figures)
    return min(low, worst), max(high, worst)


def difference(first: Figure, second: Figure, confidence: float) -> Difference:
    """By how much the first is above the second, where both were drawn together.

    What both have in common, the same easy and hard people, drops out of the difference of their draws. The interval is
    Student's, and reaches no less far than the edge of a perfect share of as many images lies from it: two detectors
    that are right about the same few images are not known to be equally good.

    Args:
        first: One figure.
        second: The other one.
        confidence: As a share.
    """
    value = first.value - second.value
    apart = Figure(
        value=value,
        draws=first.draws.astype(np.float64) - second.draws,
        units=min(first.units, second.units),
        least=max(first.least, second.least),
    )
    farthest = quantile(confidence, apart.units)
    reach = max(farthest * math.sqrt(apart.variance), farthest**2 * apart.least / (1 + farthest**2 * apart.least))
    return Difference(value=value, ci=(max(-1.0, value - reach), min(1.0, value + reach)))


@cache
def quantile(confidence: float, units: int) -> float:
    """Student's, two-sided, of as many independent units.

    Args:
        confidence: As a share.
        units: From 2; one alone says nothing of others, and is taken for two.
    """
    from scipy.special import stdtrit  # here: what only reads a stored result has no use for it

    return float(stdtrit(max(1, units - 1), (1 + confidence) / 2))


_ROUNDING = 1e-12

__all__ = [
    "Difference",
    "Draws",
    "Figure",
    "Interval",
    "difference",
    "interval_of_worst",
    "least_variance",
    "mean_of",
    "quantile",
    "worst_of",
]
