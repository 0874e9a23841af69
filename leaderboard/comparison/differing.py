"""What differs in how two tournaments were played: settings, players, photographs, rounds, machines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from fakeoff.leaderboard.comparing import data_differences
from fakeoff.leaderboard.comparison.sides import Side
from fakeoff.protocols.config import TournamentConfig
from fakeoff.protocols.record.versions import KINDS

NOTHING = "-"
"""Where one of two has no such setting or player."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """A setting that is not the same in both.

    Attributes:
        name: Its dotted path, with players by their names: ``generators.pgan.parameters.learning_rate``.
        a: Its value in the first tournament, as text.
        b: In the second.
    """

    name: str
    a: str
    b: str


def differing_settings(a: Side, b: Side) -> list[Setting]:
    """The settings that differ, in the order of the configuration; a setting that came later counts as its default.

    Args:
        a: A tournament.
        b: Another.
    """
    ours, theirs = (_settings(side.scoreboard.config) for side in (a, b))
    found = [
        Setting(name=name, a=ours.get(name, NOTHING), b=theirs.get(name, NOTHING))
        for name in dict.fromkeys([*ours, *theirs])
        if ours.get(name) != theirs.get(name)
    ]
    if a.scoreboard.round != b.scoreboard.round:
        found.append(Setting(name="last round played", a=str(a.scoreboard.round), b=str(b.scoreboard.round)))
    return found


def differing_grounds(a: Side, b: Side) -> list[str]:
    """Which photographs, colours, releases and machines differ, a line each; machines only where both are known.

    Args:
        a: A tournament.
        b: Another.
    """
    lines = list(data_differences(a.scoreboard.data, b.scoreboard.data))
    if a.provenance and b.provenance:
        one, other = (side.provenance.conditions for side in (a, b) if side.provenance)
        if len(one) == len(other) == 1:
            lines += [
                f"played with {line}".replace(", here ", f" in {a.name}, ") for line in one[0].differences(other[0])
            ]
        elif one != other:
            lines.append("played with other releases or on other machines, several of them (provenance.json)")
    return lines


def _settings(config: Mapping[str, Any]) -> dict[str, str]:
    defaults = TournamentConfig().model_dump(mode="json")
    sections = {key: value for key, value in config.items() if key not in ("generators", "detectors")}
    found: dict[str, str] = {}
    for key, value in sections.items():
        known = defaults.get(key)
        whole = {**known, **value} if isinstance(value, Mapping) and isinstance(known, Mapping) else value
        found |= dict(_leaves(whole, key))
    for kind in KINDS:
        for player in config[f"{kind}s"]:
            described = {"plugin": player["plugin"], "parameters": player["parameters"]}
            found |= dict(_leaves(described, f"{kind}s.{player['name']}"))
    return found


def _leaves(value: Any, name: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        for key, one in value.items():
            yield from _leaves(one, f"{name}.{key}")
    else:
        yield name, str(value)


__all__ = ["NOTHING", "Setting", "differing_grounds", "differing_settings"]
