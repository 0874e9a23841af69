"""How far the jobs of one machine are and what they have taken: seen from outside of their processes."""

from __future__ import annotations

import time
from dataclasses import dataclass

from fakeoff.arena.jobs.limits import GRACE_SECONDS, PATIENCE, computed_seconds, too_late, too_slow


@dataclass(frozen=True, kw_only=True)
class Spent:
    """What a job has taken so far, in seconds."""

    computed: float
    waited: float


@dataclass(frozen=True, kw_only=True)
class _Start:
    pid: int
    computed: float
    at: float


class Watch:
    """The latest step of each job of one machine and what it has taken; an actor without a CPU of its own."""

    def __init__(self) -> None:
        self._latest: dict[str, tuple[int, int, str]] = {}
        self._started: dict[str, _Start] = {}

    def start(self, key: str, pid: int) -> None:
        # anew where a crashed job is tried again
        self._started[key] = _Start(pid=pid, computed=computed_seconds(pid) or 0.0, at=time.monotonic())

    def report(self, key: str, done: int, total: int, note: str) -> None:
        self._latest[key] = (done, total, note)

    def end(self, key: str) -> None:
        self._started.pop(key, None)

    def take(self) -> tuple[dict[str, tuple[int, int, str]], dict[str, Spent]]:
        latest, self._latest = self._latest, {}
        return latest, {
            key: Spent(
                computed=(computed_seconds(start.pid) or start.computed) - start.computed,
                waited=time.monotonic() - start.at,
            )
            for key, start in self._started.items()
        }


def overdue(spent: Spent, limit: float) -> str | None:
    """What a job is told that did not heed its limit and has to be killed; None while there is time.

    Args:
        spent: What it has taken.
        limit: Seconds that it may compute; 0 is no limit.
    """
    if limit and spent.computed > limit + GRACE_SECONDS:
        return too_slow(limit)
    if limit and spent.waited > PATIENCE * limit + GRACE_SECONDS:
        return too_late(limit)
    return None


__all__ = ["Spent", "Watch", "overdue"]
