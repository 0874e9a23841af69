"""How a command is stopped: by Ctrl-C, a polite kill, a terminal that closes. Once is enough, twice does no harm."""

from __future__ import annotations

import atexit
import signal
import threading
import time
from types import FrameType, TracebackType
from typing import Any

_CLEANING_SECONDS = 10.0
"""That a stop may take, in which another one is not heard; after that something hangs, and is interrupted again."""

_ASKED_BY = ("SIGINT", "SIGTERM", "SIGHUP")


class Stop:
    """Turns the first request to stop into a ``KeyboardInterrupt``, and those that follow into nothing.

    A second Ctrl-C would otherwise hit the cleaning up after the first: workers, folders and runs would be left. Use it
    as a context manager, around all that can be stopped.

    Attributes:
        asked: The number of the signal that asked; 0 while none has.
    """

    def __init__(self) -> None:
        self.asked = 0
        self._since = 0.0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Stop:
        if threading.current_thread() is threading.main_thread():
            for number in _signals():
                # Who started the process to ignore a signal, as nohup does, has it ignored.
                if signal.getsignal(number) is not signal.SIG_IGN or number == signal.SIGTERM:
                    self._before[number] = signal.signal(number, self._ask)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            # Asked, the process ends now, and a further Ctrl-C would hit its very end; that comes later otherwise.
            signal.signal(number, signal.SIG_IGN if self.asked else handler)
        atexit.unregister(_heed_no_more)
        atexit.register(_heed_no_more)  # the last to be registered, and so the first to be called

    @property
    def code(self) -> int:
        """The exit code of what was stopped: 130 after Ctrl-C, 143 after a polite kill."""
        return 128 + (self.asked or signal.SIGINT)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self.asked and time.monotonic() - self._since < _CLEANING_SECONDS:
            return
        self.asked, self._since = self.asked or number, time.monotonic()
        raise KeyboardInterrupt


def _signals() -> list[int]:
    return [int(getattr(signal, name)) for name in _ASKED_BY if hasattr(signal, name)]


def _heed_no_more() -> None:
    if threading.current_thread() is threading.main_thread():
        for number in _signals():
            signal.signal(number, signal.SIG_IGN)


__all__ = ["Stop"]
