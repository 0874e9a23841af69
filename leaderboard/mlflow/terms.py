"""What must agree before figures of two tournaments are put side by side, as a tag that MLflow can filter by."""

from __future__ import annotations

from typing import Any

from fakeoff.arena.seeds import digest
from fakeoff.leaderboard.comparing import FREE, RULES
from fakeoff.leaderboard.scoreboard import Scoreboard
from fakeoff.protocols.record.versions import Kind

TERMS = "arena.terms"
"""The tag. Runs of the same role that have the same one met the same opponents on the same ground."""


def terms_of(scoreboard: Scoreboard, opponents: Kind | None = None) -> str:
    """The hash of what :func:`fakeoff.leaderboard.comparing.comparable` holds two tournaments to.

    Args:
        scoreboard: Of a tournament.
        opponents: The kind of players that must be the same as well; None for neither.

    Returns:
        Twelve hexadecimal digits, equal where it has nothing against comparing players of the other kind.
    """
    config, data = scoreboard.config, scoreboard.data
    agreed: dict[str, Any] = {
        "rules": {
            section: {key: value for key, value in config[section].items() if key not in FREE.get(section, ())}
            for section in RULES
        },
        "colour": data["colour"],
        "photographs": {split: told["sha256"] for split, told in data["split"].items()},
        "round": scoreboard.round,
    }
    if opponents is not None:
        players = {one["name"]: [one["plugin"], one["parameters"]] for one in config[f"{opponents}s"]}
        agreed["opponents"] = dict(sorted(players.items()))
    return digest([agreed])[:12]


__all__ = ["TERMS", "terms_of"]
