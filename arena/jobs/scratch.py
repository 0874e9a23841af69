"""A folder of one process's own among what passes: gone with the process, or where it was killed at the next start."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

_LOCK = "lock"
_LONGEST_FOLDER = 20  # a socket below it has room for 107 characters
_SECONDS_TO_END, _PAUSE_SECONDS = 5.0, 0.05


class Scratch:
    """A folder that nobody else can read, and that is known to be left over once its process is gone.

    Args:
        kind: Of what is kept in it: ``ray``.
        within: A folder that it is made in, out of sight; where things pass by default.

    Attributes:
        path: Of it.
    """

    def __init__(self, kind: str, *, within: Path | None = None) -> None:
        prefix = f"fakeoff-{kind}-" if within is None else f".fakeoff-{kind}-"
        self.path = Path(tempfile.mkdtemp(prefix=prefix, dir=_roomy() if within is None else within))  # rights: 0700
        self._held: IO[str] = (self.path / _LOCK).open("w")
        fcntl.flock(self._held, fcntl.LOCK_EX)
        for left in _left_over(self.path.parent, prefix):
            shutil.rmtree(left, ignore_errors=True)

    def close(self) -> None:
        """Takes it away, also where processes that end are still writing into it; once more is harmless."""
        until = time.monotonic() + _SECONDS_TO_END
        while self.path.exists():
            shutil.rmtree(self.path, ignore_errors=True)
            if time.monotonic() > until:
                break
            time.sleep(_PAUSE_SECONDS)  # what ends may make it again
        self._held.close()


def _roomy() -> Path:
    """The folder for what passes, or where its path is long the one that every machine has."""
    folder = Path(tempfile.gettempdir())
    return folder if len(str(folder)) <= _LONGEST_FOLDER else Path("/tmp")


def _left_over(folder: Path, prefix: str) -> Iterator[Path]:
    """Folders of this user whose process was killed: nobody holds their lock."""
    with contextlib.suppress(OSError):
        for path in folder.glob(f"{prefix}*"):
            with contextlib.suppress(OSError):  # held, another user's, or taken away meanwhile
                if path.is_symlink() or path.stat().st_uid != os.getuid():
                    continue
                with (path / _LOCK).open("r+") as file:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    yield path


__all__ = ["Scratch"]
