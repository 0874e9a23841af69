"""Image files on all cores: looked at in threads, handed on in their order, a few of them in memory at a time.

Decoding, resizing and hashing let go of Python's lock, so threads do. What is seen of a file depends on nothing but the
file, so it is the same on any number of cores.
"""

from __future__ import annotations

import os
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from PIL import Image

_AHEAD = 2  # files that wait or are read, for each thread

Item = TypeVar("Item")
Seen = TypeVar("Seen")


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_order(look: Callable[[Item], Seen], items: Iterable[Item], *, workers: int) -> Iterator[Seen]:
    """Looks at items in threads and yields what was seen in their order.

    Args:
        look: What is done with each item; must be able to run beside itself.
        items: Taken a few at a time.
        workers: Threads.
    """
    Image.init()  # formats register themselves: before threads ask for them
    # Of odd files Pillow warns. What is silenced belongs to the whole process, so not in each thread.
    with warnings.catch_warnings(), ThreadPoolExecutor(workers, thread_name_prefix="images") as pool:
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


__all__ = ["cores", "in_order"]
