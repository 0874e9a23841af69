"""How far an audit is: most of its time goes into reading files."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

_EVERY_SECONDS = 10.0


class AuditProgress:
    """Says how far it is: on a terminal in one line that changes, elsewhere in a plain line now and then.

    Args:
        console: Where to: the error output, so that a report stays by itself.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._said = time.monotonic()
        self._found = self._read = 0
        self._line = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._line.add_task("looking for files", total=None)

    def __enter__(self) -> AuditProgress:
        self._line.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._line.__exit__(kind, error, trace)

    def found(self, files: int) -> None:
        """So many files more are to be read."""
        self._found += files

    def read(self) -> None:
        """One of them was read."""
        self._read += 1
        self._say(f"{self._read} of {self._found} files read")

    def measuring(self) -> None:
        """All were read, and are measured and compared."""
        self._say("measuring")

    def _say(self, text: str) -> None:
        if self._console.is_terminal:
            self._line.update(self._task, description=text)
        elif time.monotonic() - self._said > _EVERY_SECONDS:
            self._said = time.monotonic()
            self._console.print(text, markup=False, highlight=False, soft_wrap=True)


__all__ = ["AuditProgress"]
