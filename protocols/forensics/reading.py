"""Files before the audit: read and looked at on all cores, handed on in their order, a few of them in memory at a time.

Decoding, converting and hashing let go of Python's lock, so threads do. What is seen of a file depends on nothing but
the file, so a report is the same on any number of cores.
"""

from __future__ import annotations

import os
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol, TypeVar

from PIL import Image

_AHEAD = 2  # files that wait or are read, for each thread

Item = TypeVar("Item")
Seen = TypeVar("Seen")


class Watch(Protocol):
    """Who is told how far an audit is."""

    def found(self, files: int) -> None:
        """So many files more are to be read."""

    def read(self) -> None:
        """One of them was read."""

    def measuring(self) -> None:
        """All were read, and are measured and compared."""


class Nobody:
    """A watch that does not look."""

    def found(self, files: int) -> None:
        pass

    def read(self) -> None:
        pass

    def measuring(self) -> None:
        pass


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0))


def in_order(look: Callable[[Item], Seen], items: Iterable[Item], *, workers: int) -> Iterator[Seen]:
    """Looks at items in threads and yields what was seen in their order.

    Args:
        look: What is done with each item; must be able to run beside itself.
        items: Taken a few at a time.
        workers: Threads.
    """
    Image.init()  # formats register themselves: before threads ask for them
    # Of odd files Pillow warns. What is silenced belongs to the whole process, so not in each thread.
    with warnings.catch_warnings(), ThreadPoolExecutor(workers, thread_name_prefix="audit") as pool:
        warnings.simplefilter("ignore")
        waiting: deque[Future[Seen]] = deque()
        try:
            for item in items:
                waiting.append(pool.submit(look, item))
                if len(waiting) >= _AHEAD * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for left in waiting:
                left.cancel()


__all__ = ["Nobody", "Watch", "cores", "in_order"]
