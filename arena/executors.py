"""Where jobs run: in this process, or on Ray. Both give the same bytes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, TypeAlias

from fakeoff.arena.compute import Machine, survey
from fakeoff.arena.jobs import Job, Outcome, Result, execute, hand_over
from fakeoff.arena.limits import machine_gigabytes

Load: TypeAlias = Callable[[str], Result]
"""Reads a stored result by its key."""


class Observer(Protocol):
    """Sees what happens while jobs run; all calls come from the driver's thread."""

    def progress(self, job: Job, done: int, total: int, note: str) -> None:
        """A job took a step."""

    def finished(self, outcome: Outcome) -> None:
        """A job ended."""


class Executor(Protocol):
    """Runs jobs. One job's failure is its outcome; the others go on.

    Attributes:
        here: Whether jobs run in this very process, which then must do nothing else meanwhile.
    """

    here: bool

    def run(self, jobs: Sequence[Job], *, load: Load, observer: Observer) -> Iterator[Outcome]:
        """Runs jobs that do not depend on each other and yields their outcomes as they end.

        Args:
            jobs: What to run.
            load: Reads the results that the jobs name as inputs.
            observer: Told about steps; the caller tells it about ends.
        """

    def machines(self) -> Sequence[Machine]:
        """Looks at every machine that jobs may run on, this one first; what was measured before is only read."""

    def close(self) -> None:
        """Gives workers back. A closed executor may be used again."""


class SerialExecutor:
    """Runs jobs one after the other in this process.

    A job that breaks its process (a crash in native code) ends the whole; what was computed is kept.
    """

    here = True

    def run(self, jobs: Sequence[Job], *, load: Load, observer: Observer) -> Iterator[Outcome]:
        for job in jobs:
            inputs = {name: hand_over(load(key), copy=False) for name, key in job.inputs.items()}

            def report(done: int, total: int, note: str = "", job: Job = job) -> None:
                observer.progress(job, done, total, note)

            limit = job.gigabytes or machine_gigabytes()
            outcome = execute(dataclasses.replace(job, gigabytes=limit), inputs, report)
            yield dataclasses.replace(outcome, job=job)

    def machines(self) -> Sequence[Machine]:
        return (survey(),)

    def close(self) -> None:
        pass
