"""Tables of several plays as one: means, spreads and intervals over seeds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import numpy as np
from scipy.stats import t as student

from fakeoff.protocols.record.log import Cell, Row

Identity: TypeAlias = tuple[tuple[tuple[str, Cell], ...], int]

_ENDS = (" from", " to")


def pool_rows(tables: Sequence[Sequence[Row]], *, confidence: float) -> list[Row]:
    """Rows that say the same of several plays, as one row each.

    Rows belong together where their text is equal; of several such rows of one play, the first belongs to the first. A
    truth that differs says of how many seeds it is true. A number that differs becomes its mean, with ``spread`` (the
    standard deviation over seeds) and an interval of the mean over seeds (Student's) beside it; of ends of intervals,
    which are over people, the mean alone.

    Args:
        tables: One for each seed.
        confidence: Of intervals, as a share.

    Returns:
        In the order of the first table; a row that some plays lack is of those that have it, and says of how many.
    """
    found: dict[Identity, list[Row]] = {}
    for rows in tables:
        seen: Counter[tuple[tuple[str, Cell], ...]] = Counter()
        for row in rows:
            said = tuple((name, value) for name, value in row.items() if isinstance(value, str))
            found.setdefault((said, seen[said]), []).append(row)
            seen[said] += 1
    return [_pool(rows, confidence=confidence) for rows in found.values()]


def pool_points(series: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """The mean of each figure over those plays that have it."""
    names = dict.fromkeys(name for points in series for name in points)
    return {name: float(np.mean([points[name] for points in series if name in points])) for name in names}


def _pool(rows: Sequence[Row], *, confidence: float) -> Row:
    pooled: dict[str, Cell] = {}
    for name, first in rows[0].items():
        values = [row.get(name) for row in rows]
        numbers = [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
        if isinstance(first, str) or len(set(values)) == 1:
            pooled[name] = first
        elif isinstance(first, bool):
            pooled[name] = f"{sum(value is True for value in values)} of {len(values)}"
        elif not numbers:
            pooled[name] = first
        elif name.endswith(_ENDS):
            pooled[name] = float(np.mean(numbers))
        else:
            pooled |= _spread(name, numbers, confidence=confidence)
    return {**pooled, "of seeds": len(rows)}


def _spread(name: str, values: Sequence[float], *, confidence: float) -> dict[str, Cell]:
    mean = float(np.mean(values))
    if len(values) < 2:
        return {name: mean}
    spread = float(np.std(values, ddof=1))
    reach = float(student.ppf((1 + confidence) / 2, len(values) - 1)) * spread / len(values) ** 0.5
    low, high = mean - reach, mean + reach
    if all(0 <= value <= 1 for value in values):  # a share, as most figures are
        low, high = max(0.0, low), min(1.0, high)
    return {name: mean, f"{name}, spread": spread, f"{name}, seeds from": low, f"{name}, seeds to": high}


__all__ = ["pool_points", "pool_rows"]
