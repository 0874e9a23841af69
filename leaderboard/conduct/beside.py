"""What is drawn and logged beside a game, while its next jobs compute elsewhere."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

_COURTEOUS = 10  # of nice's 19: pictures are to fill the gaps that jobs leave


class Beside:
    """Does things one after the other on a thread of its own; use it as a context manager.

    Leaving it waits for what is still to be done; leaving it by an exception drops what has not begun.

    Args:
        at_once: Do each thing where it is asked for instead: a job that runs in this process is measured and held to
            global state, and must be alone in it.
    """

    def __init__(self, *, at_once: bool) -> None:
        self._thread = None if at_once else ThreadPoolExecutor(1, "fakeoff-beside", initializer=_be_courteous)
        self._asked: list[Future[None]] = []

    def __enter__(self) -> Beside:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._thread is None:
            return
        self._thread.shutdown(wait=True, cancel_futures=error is not None)
        if error is None:
            self._raise_what_went_wrong()

    def do(self, thing: Callable[[], None]) -> None:
        """Does a thing after all that was asked for before.

        Args:
            thing: What to do.

        Raises:
            Exception: Whatever it raises, or an earlier thing did.
        """
        if self._thread is None:
            thing()
            return
        self._raise_what_went_wrong()
        self._asked.append(self._thread.submit(thing))

    def _raise_what_went_wrong(self) -> None:
        waiting = []
        for future in self._asked:
            if future.done() and not future.cancelled():
                future.result()
            else:
                waiting.append(future)
        self._asked = waiting


def _be_courteous() -> None:
    if sys.platform == "linux":  # elsewhere a thread has no priority of its own by that number
        with contextlib.suppress(OSError):
            urgency = max(_COURTEOUS, os.getpriority(os.PRIO_PROCESS, 0))
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), urgency)


__all__ = ["Beside"]
