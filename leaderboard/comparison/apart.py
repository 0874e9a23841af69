"""Differences of figures of which only each one's own interval is known: as if nothing were in common."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fakeoff.leaderboard.comparison.contrast import (
    FIGURES,
    STANDINGS,
    Both,
    Contrast,
    of_standing,
    ranked_in_both,
    standings_of,
    version_label,
    with_levels,
)
from fakeoff.leaderboard.comparison.sides import Side
from fakeoff.protocols.measures.match import MatchRow
from fakeoff.protocols.score.intervals import Interval, quantile


@dataclass(frozen=True, kw_only=True)
class Known:
    """A figure as a scoreboard file has it.

    Attributes:
        value: It.
        ci: Its interval.
        confidence: Of that, as a share.
        units: How many independent units it is of.
    """

    value: float
    ci: Interval
    confidence: float
    units: int

    def arms(self, confidence: float) -> tuple[float, float]:
        """How far its interval reaches down and up at another confidence, as far as Student's distribution says.

        Args:
            confidence: As a share.
        """
        times = quantile(confidence, self.units) / quantile(self.confidence, self.units)
        return times * (self.value - self.ci[0]), times * (self.ci[1] - self.value)


def contrasts_of_files(a: Side, b: Side, confidence: float) -> tuple[list[Contrast], list[Contrast]]:
    """The contrasts of matches, and of standings, from two scoreboard files alone.

    Args:
        a: A tournament.
        b: Another.
        confidence: Of intervals, as a share.
    """
    return tuple(  # type: ignore[return-value]
        [_contrast(row, levels) for row, levels in with_levels(list(rows), confidence)]
        for rows in (_cells(a, b), _standings(a, b))
    )


def difference_interval(a: Known, b: Known, confidence: float) -> Interval:
    """The interval of ``b - a`` for independent figures, from both their intervals.

    The ends are as far from the difference as both arms together, at right angles (Zou and Donner, Statistics in
    Medicine 27, 2008): it keeps the asymmetry of shares near 0 and 1.

    Args:
        a: A figure.
        b: Another.
        confidence: As a share.
    """
    (down, up), (down_too, up_too) = a.arms(confidence), b.arms(confidence)
    middle = b.value - a.value
    return max(-1.0, middle - math.hypot(down_too, up)), min(1.0, middle + math.hypot(up_too, down))


def _contrast(row: Both[Known], levels: tuple[float, float]) -> Contrast:
    alone, at_once = (difference_interval(row.a, row.b, level) for level in levels)
    return row.contrast(row.a.value, row.b.value, ci=alone, simultaneous_ci=at_once)


def _cells(a: Side, b: Side) -> Iterator[Both[Known]]:
    theirs = b.cells
    for (maker, judge), one in a.cells.items():
        other = theirs.get((maker, judge))
        if other is None:
            continue
        for name in FIGURES:
            known = _known(one, name, a, _units(one)), _known(other, name, b, _units(other))
            if known[0] and known[1]:
                yield Both(generator=maker, detector=judge, figure=name, a=known[0], b=known[1])


def _standings(a: Side, b: Side) -> Iterator[Both[Known]]:
    of_a, of_b = ({(kind, row.player): row for kind, row in standings_of(side)} for side in (a, b))
    units_a, units_b = (min(map(_units, side.cells.values()), default=2) for side in (a, b))
    for kind, player, rounds in ranked_in_both(a, b):
        for name in STANDINGS[kind]:
            known = _known(of_a[kind, player], name, a, units_a), _known(of_b[kind, player], name, b, units_b)
            if known[0] and known[1]:
                yield of_standing(kind, version_label(player, rounds), figure=name, a=known[0], b=known[1])


def _known(row: Any, name: str, side: Side, units: int) -> Known | None:
    """A figure with its interval; None where the file has none."""
    value, ci = getattr(row, name), getattr(row, f"{name}_ci")
    if value is None or ci is None:
        return None
    return Known(value=value, ci=ci, confidence=side.scoreboard.confidence, units=units)


def _units(row: MatchRow) -> int:
    # A file from before units were counted has images alone, and looks surer than it is.
    return min(row.real_units or row.n_real, row.fake_units or row.n_fake)


__all__ = ["Known", "contrasts_of_files", "difference_interval"]
