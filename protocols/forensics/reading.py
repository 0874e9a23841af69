"""Who is told how far an audit is."""

from __future__ import annotations

from typing import Protocol


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


__all__ = ["Nobody", "Watch"]
