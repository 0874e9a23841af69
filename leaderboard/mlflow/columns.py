"""What a player's run says besides its figures: whose it is, whom it met, and with which settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fakeoff.leaderboard.mlflow.mlflow_store import flatten
from fakeoff.leaderboard.scoreboard import Scoreboard
from fakeoff.protocols.record.versions import Kind

CHANGING = ("rounds", "audit.on_leak", "score.through")
"""Settings of a tournament that is played on; a parameter could not change."""

TITLE = "tournament"
"""The tag with what people call a tournament: its name, or the hash that tells it from others."""

WHOSE = ("rounds", "opponents", TITLE)
"""The columns of :func:`whose`, as leaderboards show them."""

_PLAYERS: tuple[Kind, Kind] = ("generator", "detector")


def whose(scoreboard: Scoreboard, kind: Kind, *, tournament: str) -> dict[str, str]:
    """Tags for columns: the tournament, its opponents and its rounds.

    Args:
        scoreboard: Of the tournament.
        kind: Of the player.
        tournament: What people call it.
    """
    opponents: Kind = "generator" if kind == "detector" else "detector"
    return {
        TITLE: tournament,
        "opponents": ", ".join(player["name"] for player in scoreboard.config[f"{opponents}s"])[:4000],
        "rounds": str(scoreboard.round),
    }


def tournament_parameters(scoreboard: Scoreboard) -> dict[str, Any]:
    """The configuration, by dotted path."""
    return {key: value for key, value in flatten(scoreboard.config) if not _is_changing(key)}


def player_parameters(scoreboard: Scoreboard, kind: Kind, player: str) -> dict[str, Any]:
    """A player's own parameters, and what it was played with: the configuration without the other players.

    Args:
        scoreboard: Of its tournament.
        kind: ``generator`` or ``detector``.
        player: Its name.
    """
    sections = tuple(f"{one}s." for one in _PLAYERS)
    settings = {key: value for key, value in tournament_parameters(scoreboard).items() if not key.startswith(sections)}
    own: Mapping[str, Any] = next(one for one in scoreboard.config[f"{kind}s"] if one["name"] == player)
    return {"plugin": own["plugin"], **dict(flatten(own["parameters"], "parameters")), **settings}


def _is_changing(key: str) -> bool:
    """Whether a leaf is one of :data:`CHANGING`, or lies in one."""
    return any(key == one or key.startswith(f"{one}.") for one in CHANGING)


__all__ = ["CHANGING", "TITLE", "WHOSE", "player_parameters", "tournament_parameters", "whose"]
