"""The plugin files that a home's games were played with: ``HOME/plugins.json``.

To be named there makes no file run: see :mod:`fakeoff.arena.players.trust`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from fakeoff.arena.files import read_file
from fakeoff.arena.jobs.store import write_atomically
from fakeoff.arena.players.provisions import PluginFile
from fakeoff.arena.players.registry import registered_by
from fakeoff.arena.players.trust import TrustedFile
from fakeoff.arena.typed import as_record, read_as
from fakeoff.leaderboard.home.home import Home


def remembered_files(home: Home) -> tuple[TrustedFile, ...]:
    """The files that a home names; none where that cannot be read.

    Args:
        home: Which. What it says is not trusted.
    """
    try:
        return tuple(read_as(TrustedFile, row) for row in json.loads(read_file(home.plugins)))
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return ()


def remember_files(home: Home, files: Sequence[PluginFile]) -> None:
    """Remembers what a game is played with; a file takes the place of what had its path, or its players, before.

    Args:
        home: Which; it is held.
        files: That players of the game come from.
    """
    before = remembered_files(home)
    new = [TrustedFile(path=file.path, sha256=file.sha256, players=registered_by(file.path)) for file in files]
    names = {(kind, name) for file in new for kind, found in file.players.items() for name in found}
    paths = {file.path for file in new}
    kept = [one for one in before if one.path not in paths and not names & names_of(one)]
    found = sorted([*kept, *new], key=lambda one: one.path)
    if list(before) != found:
        write_atomically(home.plugins, (json.dumps([as_record(one) for one in found], indent=1) + "\n").encode())


def names_of(file: TrustedFile) -> set[tuple[str, str]]:
    """The players of a file, by kind and name."""
    return {(kind, name) for kind, found in file.players.items() for name in found}


__all__ = ["names_of", "remember_files", "remembered_files"]
