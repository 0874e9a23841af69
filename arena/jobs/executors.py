"""Where jobs run: in this process, or on Ray. Both give the same bytes."""

from __future__ import annotations

import dataclasses
import os
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, TypeAlias

from fakeoff.arena.checkpoint import Checkpoint
from fakeoff.arena.compute import Machine, survey
from fakeoff.arena.jobs import Job, Outcome, Result, execute, hand_over
from fakeoff.arena.jobs.limits import machine_gigabytes
from fakeoff.arena.jobs.nursery import Nursery
from fakeoff.arena.jobs.unfinished import Unfinished

Load: TypeAlias = Callable[[str], Result]
"""Reads a result by its key."""


class Observer(Protocol):
    """Sees what happens while jobs run; all calls come from the driver's thread."""

    def progress(self, job: Job, done: int, total: int, note: str) -> None:
        """A job took a step."""

    def finished(self, outcome: Outcome) -> None:
        """A job ended."""


class Executor(Protocol):
    """Runs jobs that are ready, as many at a time as it has room for. One job's failure is its outcome.

    Attributes:
        here: Whether jobs run in this very process, which then must do nothing else meanwhile.
    """

    here: bool

    def has_room(self, job: Job) -> bool:
        """Whether a job could start now. Where nothing runs there is room for any."""

    def start(self, job: Job, *, load: Load, observer: Observer, unfinished: Unfinished | None = None) -> None:
        """Starts a job.

        Args:
            job: What to run; the results that it reads are there.
            load: Reads them.
            observer: Told about steps; the caller tells it about ends.
            unfinished: Where checkpoints lie; None where jobs have none.
        """

    def wait(self) -> Outcome:
        """Waits until one of those that were started has ended, and says how."""

    def abandon(self) -> None:
        """Ends whatever runs; its outcomes are never told."""

    def machines(self) -> Sequence[Machine]:
        """Looks at every machine that jobs may run on, this one first; what was measured before is only read."""

    def close(self) -> None:
        """Gives workers back. A closed executor may be used again."""


class SerialExecutor:
    """Runs jobs one after the other in this process.

    A job that breaks its process (a crash in native code) ends the whole; what was computed is kept. Players share
    this process with the arena, so it is for players that one trusts.
    """

    here = True

    def __init__(self) -> None:
        self._waiting: deque[tuple[Job, Mapping[str, Result], Observer, Unfinished | None]] = deque()

    def has_room(self, job: Job) -> bool:
        return not self._waiting

    def start(self, job: Job, *, load: Load, observer: Observer, unfinished: Unfinished | None = None) -> None:
        inputs = {name: hand_over(load(key), copy=False) for name, key in job.inputs.items()}
        self._waiting.append((job, inputs, observer, unfinished))

    def wait(self) -> Outcome:
        job, inputs, observer, unfinished = self.take()

        def report(done: int, total: int, note: str = "") -> None:
            observer.progress(job, done, total, note)

        limit = job.gigabytes or machine_gigabytes()
        asked = dataclasses.replace(job.blind(), gigabytes=limit)
        if job.fresh:
            outcome = Nursery.shared().execute(asked, inputs, report)
        else:
            outcome = execute(asked, inputs, report, _checkpoint(job, unfinished))
        return dataclasses.replace(outcome, job=job)

    def take(self) -> tuple[Job, Mapping[str, Result], Observer, Unfinished | None]:
        """The next of those that were started; a subclass may take another."""
        return self._waiting.popleft()

    def abandon(self) -> None:
        self._waiting.clear()

    def machines(self) -> Sequence[Machine]:
        return (survey(),)

    def close(self) -> None:
        pass


def _checkpoint(job: Job, unfinished: Unfinished | None) -> Checkpoint | None:
    if unfinished is None or not job.checkpoint_every:
        return None
    return Checkpoint(
        every=job.checkpoint_every,
        left=unfinished.read(job.key),
        write=lambda data: unfinished.write(job.key, data),
    )


def open_executor(*, serial: bool = False, workers: int | None = None, address: str | None = None) -> Executor:
    """The executor that was asked for. At most one of the three is given.

    Args:
        serial: One job after the other, in this process.
        workers: Cores for a Ray of this process's own; all by default.
        address: Of a running Ray cluster; see :class:`fakeoff.arena.jobs.ray_executor.RayExecutor`.
    """
    if serial:
        return SerialExecutor()
    from fakeoff.arena.jobs.ray_executor import RayExecutor

    return RayExecutor(workers=workers or os.cpu_count() or 1, address=address)
