"""Which plugin files this user has run on this machine: those, and no others, are run again without being named.

A plugin file is code. A home, a configuration or an archive that came from elsewhere may name one, at a path where
something lies; being named there is no reason to run it. So trust is kept apart from what is trusted: in this user's
state folder, and by the hash of the text, so that a file that changed is another file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from fakeoff.arena.cache import state_folder
from fakeoff.arena.files import read_file
from fakeoff.arena.players.provisions import PluginFile
from fakeoff.arena.typed import as_record, read_as

_MOST = 1000


@dataclass(frozen=True, kw_only=True)
class TrustedFile:
    """A plugin file that was run.

    Attributes:
        path: Where it lies, resolved.
        sha256: Of its text.
        players: The names that it registered, by kind.
    """

    path: str
    sha256: str
    players: Mapping[str, tuple[str, ...]]


class Trust:
    """The plugin files that this user has run on this machine.

    Args:
        path: Where that is kept.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path or _kept()

    @property
    def files(self) -> tuple[TrustedFile, ...]:
        """All of them, the last first; none where that cannot be read: whoever asks has to be asked again then."""
        if self._path is None:
            return ()
        try:
            return tuple(read_as(TrustedFile, row) for row in json.loads(read_file(self._path)))
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return ()

    def holds(self, file: PluginFile) -> bool:
        """Whether this very text was run from this very place."""
        return any((one.path, one.sha256) == (file.path, file.sha256) for one in self.files)

    def knew(self, path: str) -> bool:
        """Whether another text was run from there."""
        return any(one.path == path for one in self.files)

    def add(self, file: PluginFile, players: Mapping[str, tuple[str, ...]]) -> None:
        """Trusts a file from now on, in the place of what lay there before.

        Args:
            file: It; it is run because somebody said so.
            players: The names that it registered, by kind.
        """
        new = TrustedFile(path=file.path, sha256=file.sha256, players=players)
        files = self.files
        if self._path is None or new in files:
            return
        kept = [new, *(one for one in files if one.path != file.path)][:_MOST]
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            partial = self._path.with_name(f".{self._path.name}.partial")
            partial.touch(mode=0o600)
            partial.write_text(json.dumps([as_record(one) for one in kept], indent=1) + "\n")
            partial.replace(self._path)
        except OSError:  # it is asked for again next time
            return


def _kept() -> Path | None:
    try:
        return state_folder() / "plugins.json"
    except RuntimeError:
        return None


__all__ = ["Trust", "TrustedFile"]
