from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from fakeoff.arena.images.reals import open_source
from fakeoff.arena.jobs import Job, Outcome, Result
from fakeoff.arena.jobs.executors import Observer, SerialExecutor
from fakeoff.arena.jobs.store import Store
from fakeoff.arena.players.plugins import load_plugin_file
from fakeoff.protocols.attack_defend import play_tournament
from fakeoff.protocols.config import TournamentConfig
from fakeoff.protocols.measures.tournament import TournamentRecord

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
        self.was_damaged: list[Job] = []

    def begun(self, job: Job) -> None:
        pass

    def reused(self, job: Job) -> None:
        pass

    def damaged(self, job: Job, reason: str) -> None:
        self.was_damaged.append(job)

    def progress(self, job: Job, done: int, total: int, note: str) -> None:
        pass

    def finished(self, outcome: Outcome) -> None:
        self.ran.append(outcome.job)
        self.labels.append(f"round {outcome.job.round}: {outcome.job.label}")

    def round_finished(self, record: TournamentRecord) -> None:
        pass


@pytest.fixture
def watcher() -> Watcher:
    return Watcher()


@pytest.fixture(scope="module")
def module_watcher() -> Watcher:
    """One for what a module's tests share."""
    return Watcher()


class BackwardsExecutor(SerialExecutor):
    """Takes whatever is ready, and runs the last of it first, as a busy cluster might."""

    def has_room(self, job: Job) -> bool:
        return True

    def take(self) -> tuple[Job, Mapping[str, Result], Observer]:
        return self._waiting.pop()


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
        record = play_tournament(
            config,
            source=open_source("orl"),
            store=Store(tmp_path / home / "store"),
            executor=executor or SerialExecutor(),
            observer=watcher,
        )
        return record, watcher

    return go
