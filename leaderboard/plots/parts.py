"""Where in the face the fight is, player by player: what of a scoreboard's parts and shifts is a player's."""

from __future__ import annotations

from fakeoff.leaderboard.scoreboard import Scoreboard
from fakeoff.protocols.measures.looks import LookRow, ShiftRow, newest_against_newest
from fakeoff.protocols.record.versions import Kind


def newest_parts(scoreboard: Scoreboard, kind: Kind, player: str) -> list[LookRow]:
    """The rows of ``parts`` between the newest version of a player and the newest of each opponent."""
    return newest_against_newest(scoreboard.parts, kind=kind, player=player, newest=scoreboard.newest)


def shifts_of_round(
    scoreboard: Scoreboard, round_: int, *, kind: Kind = "generator", player: str = ""
) -> list[ShiftRow]:
    """The part shifts of a round, of one player or of all."""
    return [
        row
        for row in scoreboard.part_shifts
        if row.generator_round == round_ and (not player or row.version_of(kind)[0] == player)
    ]
