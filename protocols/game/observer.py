"""Who watches a game."""

from __future__ import annotations

import typing

from fakeoff.protocols.game.engine import EngineObserver
from fakeoff.protocols.measures.tournament import TournamentRecord


class GameObserver(EngineObserver, typing.Protocol):
    """Sees jobs begin, step and end, and rounds end."""

    def round_finished(self, record: TournamentRecord) -> None:
        """A round is played; later ones may have begun."""


__all__ = ["GameObserver"]
