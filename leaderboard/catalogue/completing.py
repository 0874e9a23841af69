"""The names of players and protocols as a shell completes them."""

from __future__ import annotations

from fakeoff import detectors, generators
from fakeoff.arena import parsers
from fakeoff.protocols import protocols

_REGISTRIES = {registry.kind: registry for registry in (generators.players, detectors.players, protocols)}


def complete_name(kind: str, incomplete: str, *, several: bool = False) -> list[str]:
    """What a name that was begun may be.

    Args:
        kind: ``generator``, ``detector``, ``protocol``; empty for all of them, and face parsers.
        incomplete: As far as it was typed.
        several: Whether there may be several, separated by commas: the last of them is completed.
    """
    before, comma, begun = incomplete.rpartition(",") if several else ("", "", incomplete)
    registries = [_REGISTRIES[kind]] if kind else [*_REGISTRIES.values(), parsers.parsers]
    names = sorted({entry.name for registry in registries for entry in registry})
    given = before.split(",")
    return [f"{before}{comma}{name}" for name in names if name.startswith(begun) and name not in given]


__all__ = ["complete_name"]
