"""Where the checkpoints of jobs lie that run, or were stopped."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

from fakeoff.arena.checkpoint import is_whole
from fakeoff.arena.errors import StoreError
from fakeoff.arena.files import read_file
from fakeoff.arena.jobs.store import Store, write_atomically

_ENDING = ".pt"
_KEPT_SECONDS = 30 * 24 * 3600.0


class Unfinished:
    """The checkpoints of a store's jobs, ``ROOT/KEY.pt``: a hash, then what PyTorch writes. Only the driver writes.

    Args:
        root: The folder; the first one makes it if it is not there.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    @classmethod
    def of(cls, store: Store) -> Unfinished:
        """Those of a store's jobs; what begins with a dot does not travel."""
        return cls(store.root / ".unfinished")

    def read(self, key: str) -> bytes | None:
        """What a job left; None where it left nothing that is whole."""
        try:
            data = read_file(self._file(key))
        except OSError:
            return None
        return data if is_whole(data) else None

    def write(self, key: str, data: bytes) -> None:
        """Keeps what a job leaves, in the place of what it left before; where it cannot be kept, the game goes on."""
        with contextlib.suppress(StoreError):
            write_atomically(self._file(key), data)

    def forget(self, key: str) -> None:
        """Takes away what a job left that has ended."""
        with contextlib.suppress(OSError):
            self._file(key).unlink()

    def sweep(self) -> None:
        """Takes away what nobody went on from for a month; for who holds the home's lock."""
        for path in self.root.glob(f"*{_ENDING}*"):
            with contextlib.suppress(OSError):
                if time.time() - path.stat().st_mtime > _KEPT_SECONDS:
                    path.unlink()

    def _file(self, key: str) -> Path:
        return self.root / f"{key}{_ENDING}"


__all__ = ["Unfinished"]
