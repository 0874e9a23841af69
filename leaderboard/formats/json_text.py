"""Scoreboards as JSON: of one tournament its file, of several all files under their names."""

from __future__ import annotations

import json
from collections.abc import Sequence

from fakeoff.arena.typed import as_record
from fakeoff.leaderboard.formats.board import Board
from fakeoff.leaderboard.scoreboard import scoreboard_text


def json_text(boards: Sequence[Board]) -> str:
    """The text of ``scoreboard.json``, byte by byte; of several a list ``tournaments``, with names.

    Args:
        boards: One, or several.
    """
    if len(boards) == 1:
        return scoreboard_text(boards[0].scoreboard)
    tournaments = [
        {
            "name": board.name,
            "scoreboard": board.scoreboard.to_json(),
            "imported": [as_record(scores) for scores in board.imported],
            "challenges": [as_record(one) for one in board.challenges],
        }
        for board in boards
    ]
    return json.dumps({"tournaments": tournaments}, indent=2, allow_nan=False) + "\n"


__all__ = ["json_text"]
