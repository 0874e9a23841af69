"""What a process answers to a polite kill stays its own, and comes when it does no harm."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def own_signals() -> Iterator[None]:
    """Puts the process's answer to SIGTERM back at the end of the block.

    Ray answers it by ``sys.exit(15)``, without a word. A polite kill that comes in the block is answered after it.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before, asked = signal.getsignal(signal.SIGTERM), False
    try:
        yield
    except SystemExit as end:
        if end.code != signal.SIGTERM:
            raise
        asked = True
    finally:
        signal.signal(signal.SIGTERM, before)
    if asked:
        signal.raise_signal(signal.SIGTERM)


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Lets a Ctrl-C or a polite kill come after the block: one that cleans up, and that half done leaves all behind."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came: list[int] = []
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number, handler in before.items():
        if callable(handler):  # neither ignored nor the system's, which ends a process at once
            signal.signal(number, lambda number, frame: came.append(number))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if came:
            signal.raise_signal(came[0])


__all__ = ["own_signals", "uninterrupted"]
