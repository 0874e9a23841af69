"""Who watches a game for the display and the home."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from fakeoff.arena.jobs import Job, Outcome
from fakeoff.leaderboard.conduct.beside import Beside
from fakeoff.leaderboard.home.home import Home
from fakeoff.leaderboard.terminal.progress import ProgressDisplay
from fakeoff.protocols.measures.tournament import TournamentRecord

OnRound: TypeAlias = Callable[[TournamentRecord, Beside], None]
"""What a finished round means: done at once, or handed on to be done beside the game."""


class Witness:
    """Passes what happens on to the display, and what players print to the home.

    Args:
        home: Where what players print is kept.
        display: Told of every job.
        beside: Where what a round means may go on while the next one is played.
        on_round: What a finished round means; nothing by default.
    """

    def __init__(
        self, *, home: Home, display: ProgressDisplay, beside: Beside, on_round: OnRound | None = None
    ) -> None:
        self._home, self._display, self._beside, self._on_round = home, display, beside, on_round

    def begun(self, job: Job) -> None:
        self._display.begun(job)

    def reused(self, job: Job) -> None:
        self._display.reused(job)

    def damaged(self, job: Job, reason: str) -> None:
        self._display.damaged(job, reason)

    def progress(self, job: Job, done: int, total: int, note: str) -> None:
        self._display.progress(job, done, total, note)

    def finished(self, outcome: Outcome) -> None:
        self._display.finished(outcome, kept=self._home.keep_printed(outcome))

    def round_finished(self, record: TournamentRecord) -> None:
        if self._on_round is not None:
            self._on_round(record, self._beside)


__all__ = ["OnRound", "Witness"]
