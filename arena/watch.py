"""How far the jobs of one machine are and what they have taken: seen from outside of their processes.

Whoever watches has a process of its own and starts beside the first workers: nothing here imports PyTorch.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

GRACE_SECONDS = 10.0
"""How much longer than its limit a job may compute before its process is killed."""

PATIENCE = 10.0
"""How many times its limit a job may last by the clock on the wall, when it waits more than it computes."""


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
        self._left: dict[str, bytes] = {}
        self._untold: set[str] = set()
        self._started: dict[str, _Start] = {}

    def start(self, key: str, pid: int) -> None:
        # anew where a crashed job is tried again
        self._started[key] = _Start(pid=pid, computed=computed_seconds(pid) or 0.0, at=time.monotonic())

    def report(self, key: str, done: int, total: int, note: str) -> None:
        self._latest[key] = (done, total, note)

    def keep(self, key: str, checkpoint: bytes) -> None:
        """Keeps what a job leaves: its process may die before the driver has taken it."""
        self._left[key] = checkpoint
        self._untold.add(key)

    def left(self, key: str) -> bytes | None:
        """What a job left here last, that is tried again after a crash."""
        return self._left.get(key)

    def end(self, key: str) -> None:
        self._started.pop(key, None)
        self._left.pop(key, None)
        self._untold.discard(key)

    def take_checkpoints(self) -> dict[str, bytes]:
        """What jobs left since the last time."""
        untold, self._untold = self._untold, set()
        return {key: self._left[key] for key in untold}

    def take(self) -> tuple[dict[str, tuple[int, int, str]], dict[str, Spent], int]:
        """What jobs told since the last time, what each has taken, and how many checkpoints wait to be taken."""
        latest, self._latest = self._latest, {}
        return (
            latest,
            {
                key: Spent(
                    computed=(computed_seconds(start.pid) or start.computed) - start.computed,
                    waited=time.monotonic() - start.at,
                )
                for key, start in self._started.items()
            },
            len(self._untold),
        )


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


def too_slow(seconds: float) -> str:
    """Says that a job computed too long."""
    return f"computed for longer than {seconds:g} s of CPU time (compute.job_seconds)"


def too_late(seconds: float) -> str:
    """Says that a job was not done, though it hardly computed."""
    return (
        f"was not done after {PATIENCE * seconds:g} s, {PATIENCE:g} times compute.job_seconds, and computed for less "
        f"than {seconds:g} s of it: it waits for something"
    )


def computed_seconds(pid: int) -> float | None:
    """The CPU time of a process of this machine, in seconds; None where it is gone or the system does not say."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()  # the name before it may hold anything
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
