"""What experiments of a home found, and its scoreboard, as files: each is held to the checksum that was written."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from fakeoff.arena.errors import StoreError
from fakeoff.arena.files import read_file
from fakeoff.arena.seeds import digest
from fakeoff.leaderboard.home.home import Home
from fakeoff.leaderboard.home.provenance import file_hash, read_provenance

_CHECKSUM = "sha256"


def seal(result: Mapping[str, Any]) -> dict[str, Any]:
    """What an experiment found, with the checksum of all of it.

    Args:
        result: JSON-able.
    """
    found: dict[str, Any] = json.loads(json.dumps(result))  # as it will be read
    found.pop(_CHECKSUM, None)
    return {**found, _CHECKSUM: digest(found)}


def read_results(home: Home) -> Iterator[tuple[Path, dict[str, Any]]]:
    """What experiments found, by name, each with its file. Files that are no experiment's are left out.

    Raises:
        StoreError: One is not as it was written.
    """
    for path in sorted(home.experiments.glob("*.json")):
        try:
            result = json.loads(read_file(path))
            known = result.pop(_CHECKSUM, None)
            changed = known is not None and known != digest(result)
        except (OSError, ValueError, TypeError, AttributeError, RecursionError):
            continue
        if changed:
            raise StoreError(f"'{path}' is damaged (it does not have its checksum); move it away, or play it again")
        yield path, result


def check_scoreboard(home: Home) -> None:
    """Holds a home's scoreboard file to the hash that stands in what it was played with, where that is there.

    Raises:
        StoreError: It is another one.
    """
    if not (home.scoreboard.is_file() and home.provenance.is_file()):
        return
    written = read_provenance(home.provenance).scoreboard
    if written and written != file_hash(home.scoreboard):
        raise StoreError(
            f"'{home.scoreboard}' is not as it was written, by {home.provenance.name}; write it anew with: "
            f"{home.to_play}"
        )


__all__ = ["check_scoreboard", "read_results", "seal"]
