"""What a player prints: kept aside for its owner, out of everybody else's way."""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Iterator

_MOST_CHARACTERS = 100_000


class Output(io.TextIOBase):
    """Stands in for the standard output and error; keeps the first 100,000 characters."""

    def __init__(self) -> None:
        self._parts: list[str] = []
        self._room = _MOST_CHARACTERS
        self._before = sys.stdout, sys.stderr

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        if self._room > 0:
            self._parts.append(text[: self._room])
            self._room -= len(text)
            if self._room <= 0:
                self._parts.append("\n(more was printed)\n")
        return len(text)

    def text(self) -> str:
        """What was printed."""
        return "".join(self._parts)

    @contextlib.contextmanager
    def lifted(self) -> Iterator[None]:
        """Lets what is printed inside through: a progress display's lines are not the player's."""
        out, err = self._before
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            yield


@contextlib.contextmanager
def captured() -> Iterator[Output]:
    """Keeps what Python code prints inside."""
    output = Output()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        yield output
