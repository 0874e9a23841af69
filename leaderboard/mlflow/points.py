"""Points of charts, as people and MLflow can take them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, TypeAlias

Point: TypeAlias = tuple[str, float, int]
"""Name, value and step."""

_DIGITS = 6
_NOTHING = 1e-9


def rounded(value: float) -> float:
    """A figure as MLflow shows it, which shows every digit: six that count, and 0 for what a sum left of nothing.

    Args:
        value: It.

    Example:
        >>> [rounded(value) for value in (-6.66e-16, 1.0000000000000007, 0.914062511)]
        [0.0, 1.0, 0.914063]
    """
    return 0.0 if abs(value) < _NOTHING else float(f"{value:.{_DIGITS}g}")


def as_metrics(points: Iterable[Point], *, client: Any, run: str, started_ms: int, new: bool) -> list[Any]:
    """Points as MLflow's metrics, less those that are there.

    Of two values with the same step and millisecond MLflow shows the higher one. What is logged in the place of another
    value is therefore a millisecond later than it.

    Args:
        points: Theirs.
        client: MLflow's.
        run: Whose.
        started_ms: Their timestamps are the step after it.
        new: Whether none of them can be there: nothing is asked then.
    """
    from mlflow.entities import Metric

    fresh = {(metric_name(name), step): rounded(value) for name, value, step in points}
    there: dict[tuple[str, int], tuple[int, float]] = {}
    names = set() if new or not fresh else set(client.get_run(run).data.metrics)
    for name in names & {name for name, _ in fresh}:
        for point in client.get_metric_history(run, name):
            seen = there.get((name, point.step), (-1, 0.0))
            there[name, point.step] = max(seen, (point.timestamp, point.value))
    metrics = []
    for (name, step), value in fresh.items():
        timestamp, before = there.get((name, step), (started_ms + step - 1, math.nan))
        if not math.isclose(value, before, rel_tol=10**-_DIGITS, abs_tol=_NOTHING):
            metrics.append(Metric(name, value, timestamp + 1, step))
    return metrics


def metric_name(name: str) -> str:
    """Maps what MLflow does not allow in a name: ``@`` to ``:``, anything else to ``_``; one slash at most."""
    section, slash, rest = name.replace("@", ":").partition("/")
    # MLflow reads a name as a path: no part of it may be empty or dots alone.
    parts = [_allowed(part) if part.strip(".") else f"_{part}" for part in ((section, rest) if slash else (section,))]
    return "/".join(parts)[:250]


def _allowed(part: str) -> str:
    return "".join(c if c.isalnum() or c in "_-.: " else "_" for c in part)


__all__ = ["Point", "as_metrics", "metric_name", "rounded"]
