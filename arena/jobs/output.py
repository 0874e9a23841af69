"""What a player prints: kept aside for its owner, out of everybody else's way."""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Iterator

_MOST_CHARACTERS = 100_000


class Output(io.TextIOBase):
    """Stands in for the standard output and error; keeps the first 100,000 characters.

    Whoever holds on to it afterwards, as a logging handler does, writes to the standard error of the day.
    """

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._room = _MOST_CHARACTERS
        self._ended = False

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        if self._ended:
            return len(text) if sys.stderr is self else sys.stderr.write(text)
        if self._room > 0:
            self._parts.append(text[: self._room])
            self._room -= len(text)
            if self._room <= 0:
                self._parts.append("\n(more was printed)\n")
        return len(text)

    def end(self) -> None:
        """Keeps no more."""
        self._ended = True

    def text(self) -> str:
        """What was printed."""
        return "".join(self._parts)


@contextlib.contextmanager
def captured() -> Iterator[Output]:
    """Keeps what Python code prints inside. A progress display has to know its own file."""
    output = Output()
    try:
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
            yield output
    finally:
        output.end()
