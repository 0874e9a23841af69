"""Ranks and how sure they are, of figures that were drawn together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fakeoff.protocols.score.intervals import Figure, Interval, difference

_ROUNDING = 1e-9


@dataclass(frozen=True, kw_only=True)
class RankedPlace:
    """Somebody's place in a table.

    Attributes:
        rank: From 1; those whose merits are the same share it.
        rank_ci: The best and the worst rank that the data leave possible. It holds for the whole table at once.
        p_best: The share of resamples in which the merits are the highest of all; of several, each has its part.
        ahead: By how much the first merit is above that of the next in the table; None for the last.
        ahead_ci: Its interval.
    """

    rank: int
    rank_ci: tuple[int, int]
    p_best: float
    ahead: float | None
    ahead_ci: Interval | None


def find_places(merits: Sequence[tuple[Figure, ...]], confidence: float) -> list[RankedPlace]:
    """Ranks, their intervals and who may be first.

    Somebody is above another for sure where the interval of the difference of their first merits leaves out 0. A rank
    is then possible that is below all who are above for sure, and above all who are below (Mogstad, Romano, Shaikh and
    Wilhelm, Review of Economic Studies 91, 2024). Their intervals hold for all pairs at once (Bonferroni), and so do
    ranks. Who might be the best is whose ``rank_ci`` begins at 1.

    Args:
        merits: Of each, in the order of the table, best first: what ranks, and what tells equals apart.
        confidence: As a share.
    """
    count = len(merits)
    pairs = max(1, count * (count - 1) // 2)
    simultaneous = 1 - (1 - confidence) / pairs
    above = np.zeros((count, count), dtype=bool)
    for first in range(count):
        for second in range(first + 1, count):
            found = difference(merits[first][0], merits[second][0], simultaneous)
            above[first, second], above[second, first] = (
                found.holds and found.value > 0,
                found.holds and found.value < 0,
            )
    values = [tuple(round(figure.value / _ROUNDING) for figure in one) for one in merits]
    best = _share_of_first_places(merits)
    places = []
    for place, one in enumerate(merits):
        ahead = difference(one[0], merits[place + 1][0], confidence) if place + 1 < count else None
        rank = values.index(values[place]) + 1
        places.append(
            RankedPlace(
                rank=rank,
                rank_ci=(min(rank, 1 + int(above[:, place].sum())), max(rank, count - int(above[place].sum()))),
                p_best=float(best[place]),
                ahead=None if ahead is None else ahead.value,
                ahead_ci=None if ahead is None else ahead.ci,
            )
        )
    return places


def _share_of_first_places(merits: Sequence[tuple[Figure, ...]]) -> npt.NDArray[np.float64]:
    """In how many resamples each is the first by its merits, one after the other; equals share."""
    if not merits:
        return np.zeros(0)
    resamples = len(merits[0][0].draws)
    leads = np.ones((len(merits), resamples), dtype=bool)
    for depth in range(max(map(len, merits))):
        draws = np.stack([one[depth].draws if depth < len(one) else np.zeros(resamples) for one in merits])
        left = np.where(leads, draws, -np.inf)
        leads &= left >= left.max(axis=0) - _ROUNDING
    shares: npt.NDArray[np.float64] = (leads / leads.sum(axis=0)).mean(axis=1)
    return shares


__all__ = ["RankedPlace", "find_places"]
