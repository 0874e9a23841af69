"""What a job may take of its process: time and memory. Whoever takes more fails, and nobody else."""

from __future__ import annotations

import contextlib
import os
import re
import resource
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from fakeoff.arena.errors import JobFailed

GRACE_SECONDS = 10.0
"""How much longer than its limit a job is waited for before its process is killed."""

_REPEAT_SECONDS = 1.0
_NO_MEMORY = re.compile(r"can't allocate memory|cannot allocate memory|std::bad_alloc|out of memory", re.IGNORECASE)


class _TimeIsUp(BaseException):
    """Raised in a job's own code; not an Exception, so that a broad ``except`` does not keep it."""


@contextlib.contextmanager
def limited(*, seconds: float, gigabytes: float) -> Iterator[None]:
    """Ends what runs inside when it takes too long or too much memory.

    Time is watched where this is the main thread of its process, which it is in a Ray task; code that does not come
    back to the interpreter is not reached, so the driver kills such a worker. Memory is what the process writes to
    (the limit is the kernel's, RLIMIT_DATA), counted from what it holds now.

    Args:
        seconds: At most; 0 is no limit.
        gigabytes: At most; 0 is no limit.

    Raises:
        JobFailed: It took more.
    """
    try:
        with _clock(seconds), _data_limit(gigabytes):
            try:
                yield
            except (MemoryError, RuntimeError) as error:
                if gigabytes and (isinstance(error, MemoryError) or _NO_MEMORY.search(str(error))):
                    raise JobFailed(too_large(gigabytes)) from error
                raise
    except _TimeIsUp as error:
        raise JobFailed(too_slow(seconds)) from error


def machine_gigabytes() -> float:
    """The memory of this machine, or of the container that this process is in."""
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with contextlib.suppress(OSError, ValueError):  # no such group, or "max"
        physical = min(physical, int(Path("/sys/fs/cgroup/memory.max").read_text()))
    return physical / 1e9


def too_slow(seconds: float) -> str:
    """Says that a job took too long."""
    return f"took longer than {seconds:g} s (compute.job_seconds)"


def too_large(gigabytes: float) -> str:
    """Says that a job took too much memory."""
    return f"took more than {gigabytes:.3g} GB of memory (compute.job_gigabytes)"


@contextlib.contextmanager
def _clock(seconds: float) -> Iterator[None]:
    if not seconds or threading.current_thread() is not threading.main_thread():
        yield
        return

    def ring(number: int, frame: FrameType | None) -> None:
        raise _TimeIsUp

    before = signal.signal(signal.SIGALRM, ring)
    # Again and again: a loop that catches everything is not to outlive the first one.
    signal.setitimer(signal.ITIMER_REAL, seconds, _REPEAT_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


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
