"""The engine: jobs run as soon as what they read is there, and what follows from them goes on as soon as they end.

What a game consists of is written as coroutines, each of which awaits jobs and other coroutines. There is no event loop
of the interpreter's: the engine works in a notebook that has one.
"""

from __future__ import annotations

import contextlib
import heapq
import typing
from collections import deque
from collections.abc import Coroutine, Generator, Iterable, Iterator
from dataclasses import replace
from typing import Any, Generic, TypeVar, cast

from fakeoff.arena.errors import FakeoffError
from fakeoff.arena.jobs import Job, Outcome, Result
from fakeoff.arena.jobs.executors import Executor, Observer
from fakeoff.arena.jobs.store import DamagedResultError, Store
from fakeoff.arena.jobs.unfinished import Unfinished

T = TypeVar("T")


class EngineObserver(Observer, typing.Protocol):
    """Sees jobs begin, step and end."""

    def begun(self, job: Job) -> None:
        """A job starts to run."""

    def reused(self, job: Job) -> None:
        """A job's result is there already."""

    def damaged(self, job: Job, reason: str) -> None:
        """A stored result was damaged; the job runs again."""


class Slot(Generic[T]):
    """A value that will be known; ``await`` it in a coroutine of the engine's."""

    def __init__(self) -> None:
        self.settled = False
        self._value: T | None = None
        self.waiting: list[_Step] = []

    @property
    def value(self) -> T:
        """The value of a settled slot."""
        assert self.settled
        return cast("T", self._value)

    def settle(self, value: T) -> list[_Step]:
        """Sets the value, and hands over who waited for it."""
        self.settled, self._value = True, value
        waiting, self.waiting = self.waiting, []
        return waiting

    def __await__(self) -> Generator[Slot[Any], None, T]:
        if not self.settled:
            yield self
        return self.value


class _Step:
    """A coroutine on its way."""

    def __init__(self, coroutine: Coroutine[Slot[Any], None, Any]) -> None:
        self.coroutine, self.slot = coroutine, Slot[Any]()


class Engine:
    """Runs jobs for coroutines. What the store holds is not computed again; what runs is kept as it ends.

    Args:
        store: Where results are kept.
        executor: Where jobs run.
        observer: Who is told.
    """

    def __init__(self, *, store: Store, executor: Executor, observer: EngineObserver) -> None:
        self._store, self._executor, self._observer = store, executor, observer
        self._unfinished = Unfinished.of(store)
        self._steps: deque[_Step] = deque()
        self._suspended: set[_Step] = set()
        self._jobs: dict[str, tuple[Job, Slot[str | None]]] = {}
        self._derived: dict[str, typing.Callable[[], Result]] = {}
        self._ready: dict[str, list[tuple[int, float, int, Job]]] = {"cpu": [], "cuda": []}
        self._running = 0
        self._count = 0
        self._took: dict[tuple[str, str], float] = {}
        self._set_aside: dict[str, list[Job]] = {}
        self._ended_by: BaseException | None = None

    def begin(self, coroutine: Coroutine[Slot[Any], None, T]) -> Slot[T]:
        """Begins a coroutine: it runs until it has to wait, and goes on whenever somebody waits for anything.

        Returns:
            What it will return.

        Raises:
            FakeoffError: Whatever it raises before it has to wait; nothing runs any more.
        """
        step = _Step(coroutine)
        self._suspended.add(step)
        with self._ending():
            self._advance(step)
        return step.slot

    def submit(self, job: Job) -> Slot[str | None]:
        """Wants a job's result. Jobs with the same key are one.

        Args:
            job: What to run. What it reads is there.

        Returns:
            None once the result is there, or why there is none; one line.
        """
        if job.key in self._jobs:
            return self._jobs[job.key][1]
        job = self._told_apart(job)
        slot = Slot[str | None]()
        self._jobs[job.key] = job, slot
        if self._is_kept(job):
            self._observer.reused(job)
            slot.settle(None)
        else:
            self._queue(job)
        return slot

    async def result(self, job: Job) -> Result | str:
        """A job's result as a whole, or why there is none. A damaged one is computed again."""
        while True:
            failure = await self.submit(job)
            if failure is not None:
                return failure
            try:
                return self._store.read(job.key)
            except DamagedResultError as error:
                self._again(job.key, error)

    def derive(self, key: str, make: typing.Callable[[], Result]) -> None:
        """Names something that jobs read and that nobody keeps: it is made of stored results when it is handed over.

        Args:
            key: Its name among the inputs of jobs.
            make: Makes it.
        """
        self._derived[key] = make

    def wait_for(self, slots: Iterable[Slot[Any]]) -> None:
        """Runs what is there to run until all slots are settled.

        Raises:
            FakeoffError: Whatever a coroutine raised; nothing runs any more.
        """
        for slot in slots:
            while not slot.settled:
                self._go_on()

    def finish(self) -> None:
        """Runs until every coroutine has returned."""
        while self._suspended:
            self._go_on()

    def abandon(self) -> None:
        """Ends what runs, and drops what has not been run."""
        self._executor.abandon()
        self._running = 0
        self._steps.clear()
        for heap in self._ready.values():
            heap.clear()
        for step in tuple(self._suspended):
            if not step.coroutine.cr_running:  # type: ignore[attr-defined]
                step.coroutine.close()
        self._suspended.clear()

    def _go_on(self) -> None:
        with self._ending():
            if self._steps:
                self._advance(self._steps.popleft())
                return
            self._start_what_fits()
            if not self._running:
                raise RuntimeError("nothing runs, and something is waited for")
            self._take_in(self._executor.wait())

    @contextlib.contextmanager
    def _ending(self) -> Iterator[None]:
        """Whatever is raised inside ends the engine, and is raised again to whoever asks later."""
        if self._ended_by is not None:
            raise self._ended_by
        try:
            yield
        except BaseException as error:
            if self._ended_by is None:  # the innermost one has ended it
                self._ended_by = error
                self.abandon()
            raise

    def _advance(self, step: _Step) -> None:
        try:
            awaited = step.coroutine.send(None)
        except StopIteration as end:
            self._suspended.discard(step)
            self._steps.extend(step.slot.settle(end.value))
        except BaseException:
            self._suspended.discard(step)
            raise
        else:
            awaited.waiting.append(step)

    def _start_what_fits(self) -> None:
        while True:
            tops = sorted((heap[0], device) for device, heap in self._ready.items() if heap)
            for (*_, job), device in tops:
                if self._executor.has_room(job):
                    heapq.heappop(self._ready[device])
                    self._start(job)
                    break
            else:
                return

    def _start(self, job: Job) -> None:
        try:
            self._executor.start(job, load=self._load, observer=self._observer, unfinished=self._unfinished)
        except DamagedResultError as error:
            key = error.key.partition(":")[0]
            if key not in self._jobs:
                raise
            if key not in self._set_aside:
                self._again(key, error)
            self._set_aside.setdefault(key, []).append(job)
            return
        self._running += 1
        self._observer.begun(job)

    def _take_in(self, outcome: Outcome) -> None:
        job = outcome.job
        self._running -= 1
        self._took[job.task, job.player] = outcome.seconds
        if outcome.result is not None:
            self._store.write(job.key, outcome.result)
        self._unfinished.forget(job.key)
        self._observer.finished(outcome)
        failure = None if outcome.result is not None else outcome.failure or "failed"
        for waiting in self._set_aside.pop(job.key, []):
            if failure is None:
                self._queue(waiting)
            else:
                self._settle(waiting, f"reads what could not be computed again: {failure}")
        self._settle(job, failure)

    def _settle(self, job: Job, failure: str | None) -> None:
        _, slot = self._jobs[job.key]
        if not slot.settled:
            self._steps.extend(slot.settle(failure))

    def _queue(self, job: Job) -> None:
        self._count += 1
        # Of equally urgent ones the longest first: what is short fits in beside it.
        expected = self._took.get((job.task, job.player), 0.0)
        heapq.heappush(self._ready[job.device], (-job.urgency, -expected, self._count, job))

    def _load(self, key: str) -> Result:
        if key in self._derived:
            return self._derived[key]()
        return self._store.read(key)

    def _told_apart(self, job: Job) -> Job:
        """A job that is not told apart itself is called after what it reads: the scores of several trainings."""
        if job.what:
            return job
        keys = [key.partition(":")[0] for key in job.inputs.values()]
        read = [self._jobs[key][0].what for key in keys if key in self._jobs]
        return replace(job, what=which(*read)) if any(read) else job

    def _is_kept(self, job: Job) -> bool:
        if job.key not in self._store:
            return False
        try:
            self._store.record(job.key)
        except DamagedResultError as error:
            self._store.discard(job.key)
            self._observer.damaged(job, str(error))
            return False
        return True

    def _again(self, key: str, error: FakeoffError) -> None:
        """Runs a job anew whose stored arrays turn out to be damaged."""
        job, _ = self._jobs[key]
        self._store.discard(key)
        self._observer.damaged(job, str(error))
        self._jobs[key] = job, Slot[str | None]()
        self._queue(job)


def which(*what: str) -> str:
    """Says which of several a job is by all that tells it apart: ``seed 1, on pgan``."""
    return ", ".join(dict.fromkeys(filter(None, what)))


__all__ = ["Engine", "EngineObserver", "Slot", "which"]
