"""What a job may take of its process: time and memory. Whoever takes more fails, and nobody else."""

from __future__ import annotations

import contextlib
import os
import re
import resource
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import TypeVar

import torch

from fakeoff.arena.errors import JobFailed
from fakeoff.arena.watch import PATIENCE, too_late, too_slow

ValueT = TypeVar("ValueT")

NO_GPU_MEMORY = (
    "ran out of the GPU's memory; a smaller batch helps, or fewer jobs on one GPU (a larger compute.job_gpus)"
)
"""What a job that a GPU has not the memory for is told."""

_REPEAT_SECONDS = 1.0
_NO_MEMORY = re.compile(r"can't allocate memory|cannot allocate memory|std::bad_alloc|out of memory", re.IGNORECASE)


class _TimeIsUp(BaseException):
    """Raised in a job's own code; not an Exception, so that a broad ``except`` does not keep it."""


class _WaitIsOver(_TimeIsUp):
    """The time that passed, not the time that was computed."""


def run_limited(work: Callable[[], ValueT], *, seconds: float, gigabytes: float) -> ValueT:
    """Does something, and ends it when it takes too much computing or too much memory.

    Seconds are those of the process on its cores, all threads together, so that a busy machine makes nobody late; a
    job that waits for a GPU spins, and that counts. Behind it stands the clock on the wall, at :data:`PATIENCE` times
    as much, for whoever sleeps for ever. Both are watched where this is the main thread of its process, which it is in
    a Ray task; code that does not come back to the interpreter is not reached, so the driver kills such a worker.
    Memory is what the process writes to (the limit is the kernel's, RLIMIT_DATA), counted from what it holds now.

    Args:
        work: What to do.
        seconds: Of computing, at most; 0 is no limit.
        gigabytes: At most; 0 is no limit.

    Raises:
        JobFailed: It took more.
    """
    try:
        with _data_limit(gigabytes):
            return _clocked(work, seconds)
    except _WaitIsOver as error:
        raise JobFailed(too_late(seconds)) from error
    except _TimeIsUp as error:
        raise JobFailed(too_slow(seconds)) from error
    except torch.OutOfMemoryError as error:
        raise JobFailed(NO_GPU_MEMORY) from error
    except (MemoryError, RuntimeError) as error:
        if gigabytes and wants_memory(error):
            raise JobFailed(too_large(gigabytes)) from error
        raise


def wants_memory(error: BaseException) -> bool:
    """Whether something failed for want of memory, here or on a GPU: another machine, or another day, may have it."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or bool(_NO_MEMORY.search(str(error)))


def machine_gigabytes() -> float:
    """The memory of this machine, or of the container that this process is in."""
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with contextlib.suppress(OSError, ValueError):  # no such group, or "max"
        physical = min(physical, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    return physical / 1e9


def too_large(gigabytes: float) -> str:
    """Says that a job took too much memory."""
    return f"took more than {gigabytes:.3g} GB of memory (compute.job_gigabytes)"


def _clocked(work: Callable[[], ValueT], seconds: float) -> ValueT:
    if not seconds or threading.current_thread() is not threading.main_thread():
        return work()
    armed = True

    def ring(number: int, frame: FrameType | None) -> None:
        if armed:
            raise _TimeIsUp if number == signal.SIGPROF else _WaitIsOver

    started = time.monotonic()
    rings_in, every = signal.getitimer(signal.ITIMER_REAL)  # somebody else's alarm goes on afterwards
    before = {number: signal.signal(number, ring) for number in (signal.SIGPROF, signal.SIGALRM)}
    # No context manager: an alarm that rings between its lines would find nobody there to switch it off.
    try:
        # Again and again: a loop that catches everything is not to outlive the first one.
        signal.setitimer(signal.ITIMER_PROF, seconds, _REPEAT_SECONDS)
        signal.setitimer(signal.ITIMER_REAL, PATIENCE * seconds, _REPEAT_SECONDS)
        return work()
    finally:
        armed = False
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)
        if rings_in:
            signal.setitimer(signal.ITIMER_REAL, max(0.001, rings_in - (time.monotonic() - started)), every)


@contextlib.contextmanager
def _data_limit(gigabytes: float) -> Iterator[None]:
    held = _held_bytes() if gigabytes else None
    if held is None:
        yield
        return
    before = resource.getrlimit(resource.RLIMIT_DATA)
    limit = held + int(gigabytes * 1e9)
    if before[1] != resource.RLIM_INFINITY:
        limit = min(limit, before[1])
    resource.setrlimit(resource.RLIMIT_DATA, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, before)


def _held_bytes() -> int | None:
    """What this process may write to already; None where the system does not say."""
    try:
        found = re.search(r"^VmData:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.MULTILINE)
    except OSError:
        return None
    return int(found[1]) * 1024 if found else None
