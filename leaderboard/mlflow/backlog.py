"""The rounds that MLflow has not been told yet: it may be away, and the game goes on."""

from __future__ import annotations

from collections import deque

from fakeoff.arena.errors import StoreError
from fakeoff.leaderboard.mlflow.mlflow_log import MlflowLog
from fakeoff.leaderboard.scoreboard import Scoreboard
from fakeoff.protocols.measures.tournament import TournamentRecord


class Backlog:
    """Logs rounds in order. A round that cannot be logged waits for the next chance: the next round, or the game's end.

    Args:
        log: MLflow's.
    """

    def __init__(self, log: MlflowLog) -> None:
        self._log = log
        self._waiting: deque[tuple[TournamentRecord, Scoreboard]] = deque()
        self._reason = ""

    def log(self, record: TournamentRecord, scoreboard: Scoreboard) -> None:
        """Logs a round, after those that wait.

        Args:
            record: Its last round is meant.
            scoreboard: Derived from it.
        """
        self._waiting.append((record, scoreboard))
        self._catch_up()

    def close(self) -> str:
        """Takes the last chance.

        Returns:
            What was not logged and why; empty where everything was.
        """
        if self._waiting:
            self._catch_up()
        if not self._waiting:
            return ""
        first, last = (self._waiting[index][0].round for index in (0, -1))
        rounds = f"round {first}" if first == last else f"rounds {first} to {last}"
        return f"{rounds} not logged to MLflow, nothing is lost: {self._reason}"

    def _catch_up(self) -> None:
        try:
            while self._waiting:
                self._log.log_round(*self._waiting[0])
                self._waiting.popleft()
        except StoreError as error:
            self._reason = str(error)


__all__ = ["Backlog"]
