"""What is still ahead of a game: how many jobs, and how long they will take."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from fakeoff.arena.jobs import Job, Outcome
from fakeoff.leaderboard.home.costs import Costs


@dataclass(kw_only=True)
class Running:
    """A job that runs.

    Attributes:
        job: Which.
        since: When it began, by :func:`time.monotonic`.
        done: Steps taken.
        total: Steps in all; 0 while it has not said.
    """

    job: Job
    since: float = field(default_factory=time.monotonic)
    done: int = 0
    total: int = 0

    def left(self, expected: float | None) -> float | None:
        """Seconds to its end: by its own steps, else by what such jobs take; None where neither is known."""
        passed = time.monotonic() - self.since
        if self.total and self.done:
            return passed * (self.total - self.done) / self.done
        return None if expected is None else max(0.0, expected - passed)


class Ahead:
    """Counts jobs, and estimates the time to the end of all that are known.

    Args:
        planned: Jobs that the game is expected to run; it may run others.
        costs: What jobs take.
        cores: On which they run side by side.
    """

    def __init__(self, planned: Sequence[Job] = (), *, costs: Costs | None = None, cores: int = 1) -> None:
        self.costs = costs or Costs()
        self._cores = max(1, cores)
        self._lock = threading.Lock()
        self._waiting = Counter(map(_bucket, planned))
        self._like = {_bucket(job): job for job in planned}
        self._begun: set[str] = set()
        self.running: dict[str, Running] = {}
        self.done = 0

    @property
    def total(self) -> int:
        """Jobs of this game, as far as they are known."""
        return self.done + len(self.running) + sum(self._waiting.values())

    def begin(self, job: Job) -> None:
        """A job starts to run: one that was planned, or its like."""
        with self._lock:
            if job.key not in self._begun and self._waiting[_bucket(job)]:
                self._waiting[_bucket(job)] -= 1
            self._begun.add(job.key)
            self.running[job.key] = Running(job=job)

    def step(self, job: Job, done: int, total: int) -> None:
        """A job took a step."""
        with self._lock:
            if job.key in self.running:
                self.running[job.key].done, self.running[job.key].total = done, total

    def end(self, outcome: Outcome) -> None:
        """A job ended."""
        with self._lock:
            if self.running.pop(outcome.job.key, None) is not None:
                self.done += 1
                self.costs.note(outcome)

    def now(self) -> list[Running]:
        """What runs, longest first."""
        with self._lock:
            return sorted(self.running.values(), key=lambda one: one.since)

    def seconds(self) -> tuple[float, bool]:
        """Seconds to the end of what is known, and whether there is more of which nobody knows how long it takes."""
        with self._lock:
            waiting = [(job, self._waiting[bucket]) for bucket, job in self._like.items() if self._waiting[bucket]]
            lefts = [(one.job, one.left(self.costs.expected(one.job))) for one in self.running.values()]
        known = [(job, left) for job, left in lefts if left is not None]
        unknown = len(known) < len(lefts)
        work = sum(left * self._share(job) for job, left in known)
        for job, count in waiting:
            expected = self.costs.expected(job)
            if expected is None:
                unknown = True
            else:
                work += count * expected * self._share(job)
        return max([work, *(left for _, left in known)], default=0.0), unknown

    def words(self) -> str:
        """For people: ``12 of 87 jobs, about 4 min to go``; nothing where nobody knows what is still to come."""
        if not self._like:
            return ""
        counted = f"{self.done} of {self.total} jobs"
        if self.done == self.total:
            return counted
        seconds, unknown = self.seconds()
        if unknown:
            return f"{counted}, more than {in_words(seconds)} to go" if seconds >= 1 else counted
        return f"{counted}, about {in_words(seconds)} to go"

    def _share(self, job: Job) -> float:
        """Of the cores."""
        return min(job.threads, self._cores) / self._cores


def work_of(jobs: Iterable[Job], *, costs: Costs, cores: int) -> tuple[float | None, bool]:
    """Seconds that jobs would take on so many cores: None where none of them is known; and whether some are not.

    Args:
        jobs: Which.
        costs: What jobs take.
        cores: On which they run side by side.
    """
    found = [(costs.expected(job), min(job.threads, cores) / cores) for job in jobs]
    known = [seconds * share for seconds, share in found if seconds is not None]
    return (sum(known) if known else None), len(known) < len(found)


def in_words(seconds: float) -> str:
    """A time for people: ``45 s``, ``4 min``, ``2 h 10 min``."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def _bucket(job: Job) -> tuple[int | None, str, str, str]:
    return job.round, job.stage, job.name or job.task, job.player


__all__ = ["Ahead", "Running", "in_words", "work_of"]
