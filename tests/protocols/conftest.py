from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from fakeoff.arena.executors import Load, Observer, SerialExecutor
from fakeoff.arena.jobs import Job, Outcome
from fakeoff.arena.plugins import load_plugin_file
from fakeoff.arena.reals import open_source
from fakeoff.arena.store import Store
from fakeoff.protocols.config import TournamentConfig
from fakeoff.protocols.records import TournamentRecord
from fakeoff.protocols.tournament import Tournament

BAD_PLAYERS = Path(__file__).parents[1] / "bad_players.py"


@pytest.fixture(scope="session")
def bad_players() -> Path:
    load_plugin_file(BAD_PLAYERS)
    return BAD_PLAYERS


class Watcher:
    """An observer that remembers which jobs ran."""

    def __init__(self) -> None:
        self.ran: list[Job] = []
        self.labels: list[str] = []
        self._round = 0

    def phase(self, round_: int, stage: str, jobs: Sequence[Job], *, reused: int) -> None:
        self._round = round_

    def progress(self, job: Job, done: int, total: int, note: str) -> None:
        pass

    def finished(self, outcome: Outcome) -> None:
        self.ran.append(outcome.job)
        self.labels.append(f"round {self._round}: {outcome.job.label}")

    def round_finished(self, record: TournamentRecord) -> None:
        pass


@pytest.fixture
def watcher() -> Watcher:
    return Watcher()


class BackwardsExecutor(SerialExecutor):
    """Runs jobs in the opposite order, as a busy cluster might."""

    def run(self, jobs: Sequence[Job], *, load: Load, observer: Observer) -> Iterator[Outcome]:
        return super().run(list(reversed(jobs)), load=load, observer=observer)


@pytest.fixture
def backwards() -> SerialExecutor:
    return BackwardsExecutor()


@pytest.fixture
def play(tmp_path: Path, toys: Path) -> Callable[..., tuple[TournamentRecord, Watcher]]:
    """Plays a tournament serially; returns its record and what ran."""

    def go(
        config: TournamentConfig,
        *,
        home: str = "home",
        executor: SerialExecutor | None = None,
    ) -> tuple[TournamentRecord, Watcher]:
        watcher = Watcher()
        tournament = Tournament(
            config,
            source=open_source("orl"),
            store=Store(tmp_path / home / "store"),
            executor=executor or SerialExecutor(),
            observer=watcher,
        )
        return tournament.play(), watcher

    return go
