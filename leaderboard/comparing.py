"""Whether two tournaments can be put side by side: only where the ground and the rules are the same."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fakeoff.leaderboard.scoreboard import Scoreboard
from fakeoff.protocols.config import TournamentConfig
from fakeoff.protocols.record.versions import KINDS, Kind

RULES = ("protocol", "arena", "pools", "attack", "defend", "score", "search")
"""The sections of a configuration that must agree, less :data:`FREE`. Not among them: the seed, which makes a replicate
of a tournament; ``compute``, which decides how sums round; ``parts`` and ``audit``, which decide no place."""

FREE = {"score": {"through"}}
"""Settings in these sections that decide no place either."""


def comparable(a: Scoreboard, b: Scoreboard) -> str | None:
    """Says why two tournaments cannot be compared.

    They can where they were played on the same photographs, split in the same way, with pools of the same size, under
    the same rules and for as many rounds; and where the players of one kind at least are the same, so that those of the
    other kind had the same opponents to begin with.

    Args:
        a: A scoreboard.
        b: Another.

    Returns:
        What differs, in one line; None where they can be compared.
    """
    differences = [*data_differences(a.data, b.data), *_rules(a.config, b.config)]
    if a.round != b.round:
        differences.append(f"the last round played is {a.round} in one and {b.round} in the other")
    if not differences and not any(same_players(a, b, kind) for kind in KINDS):
        differences.append("they have neither the same generators nor the same detectors, so nobody met the same")
    return "; ".join(differences) or None


def same_players(a: Scoreboard, b: Scoreboard, kind: Kind) -> bool:
    """Whether the players of a kind are the same, by name, plugin and parameters, in any order.

    Args:
        a: A scoreboard.
        b: Another.
        kind: ``generator`` or ``detector``.
    """

    def players(scoreboard: Scoreboard) -> dict[str, tuple[Any, Any]]:
        return {one["name"]: (one["plugin"], one["parameters"]) for one in scoreboard.config[f"{kind}s"]}

    return players(a) == players(b)


def first_incomparable(scoreboards: Mapping[str, Scoreboard]) -> str | None:
    """Says which two of several tournaments cannot be compared, and why; None where all can.

    Args:
        scoreboards: By name.
    """
    for (one, a), (other, b) in itertools.combinations(scoreboards.items(), 2):
        if (why := comparable(a, b)) is not None:
            return f"'{one}' and '{other}' cannot be compared: {why}"
    return None


def data_differences(a: Mapping[str, Any], b: Mapping[str, Any]) -> Iterator[str]:
    """Says which photographs differ, and whether colour does, a line each.

    Args:
        a: The data of a scoreboard.
        b: Those of another.
    """
    if a.get("colour") != b.get("colour"):
        yield f"colour is {a.get('colour')} in one and {b.get('colour')} in the other"
    for split in ("train", "val", "test"):
        ours, theirs = (data.get("split", {}).get(split, {}) for data in (a, b))
        if ours.get("sha256") != theirs.get("sha256"):
            yield f"other photographs in {split} ({_photographs(a, ours)}, {_photographs(b, theirs)})"


def _photographs(data: Mapping[str, Any], split: Mapping[str, Any]) -> str:
    return f"{split.get('photographs', 0)} of {data.get('source')}, sha256 {str(split.get('sha256'))[:8]}"


def _rules(a: Mapping[str, Any], b: Mapping[str, Any]) -> Iterator[str]:
    defaults = _defaults()
    for section in RULES:
        # A file of an earlier release lacks settings that came later; their defaults are what was played before.
        ours, theirs = ({**defaults[section], **config.get(section, {})} for config in (a, b))
        for key in _in_order(ours, theirs):
            if key not in FREE.get(section, ()) and ours.get(key) != theirs.get(key):
                yield f"{section}.{key} is {ours.get(key)!r} in one and {theirs.get(key)!r} in the other"


def _defaults() -> dict[str, dict[str, Any]]:
    return {section: getattr(TournamentConfig(), section).model_dump(mode="json") for section in RULES}


def _in_order(*sections: Mapping[str, Any]) -> Sequence[str]:
    return list(dict.fromkeys(key for section in sections for key in section))


__all__ = ["FREE", "RULES", "comparable", "data_differences", "first_incomparable", "same_players"]
