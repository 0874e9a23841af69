"""A home's own database that is locked or gone: nothing is lost, and the game goes on."""

from __future__ import annotations

import io
import logging
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from rich.console import Console

from fakeoff.arena.errors import StoreError
from fakeoff.arena.jobs.store import Store
from fakeoff.leaderboard.home.home import Home
from fakeoff.leaderboard.mlflow.backlog import Backlog
from fakeoff.leaderboard.mlflow.mlflow_log import MlflowLog
from fakeoff.leaderboard.mlflow.mlflow_store import MlflowStore
from fakeoff.leaderboard.mlflow.patience import Patience, quiet
from fakeoff.leaderboard.mlflow.standings import HEADLINES
from fakeoff.leaderboard.play import play
from fakeoff.leaderboard.scoreboard import build_scoreboard
from fakeoff.protocols.config import TournamentConfig
from fakeoff.protocols.measures.tournament import TournamentRecord
from tests.leaderboard.mlflow.contents import contents_of

pytestmark = pytest.mark.usefixtures("quick_pictures", "blank_plots")

Make = Callable[..., Any]


def test_it_asks_again_until_it_works_and_no_longer_than_it_was_told() -> None:
    asked: list[float] = []

    def fail(times: int) -> str:
        asked.append(time.monotonic())
        if len(asked) <= times:
            raise OSError("away")
        return "here"

    assert Patience(30).ask(fail, 2) == "here"
    assert len(asked) == 3
    asked.clear()
    patience = Patience(1.2)
    with pytest.raises(OSError, match="away"):
        patience.ask(fail, 100)
    assert len(asked) == 3
    assert asked[-1] - asked[0] < 3
    # It has been waited for; now it is asked once, until it works again.
    with pytest.raises(OSError, match="away"):
        patience.ask(fail, 100)
    assert len(asked) == 4
    assert patience.ask(fail, 4) == "here"
    asked.clear()
    assert patience.ask(fail, 1) == "here"


def test_what_asking_again_does_not_change_is_asked_once() -> None:
    asked = []

    def refuse() -> None:
        asked.append(1)
        raise ValueError("a bug")

    with pytest.raises(ValueError, match="a bug"):
        Patience(30).ask(refuse)
    assert len(asked) == 1


def test_who_wants_to_stop_does_not_wait() -> None:
    def away() -> None:
        raise OSError("away")

    patience = Patience(60)
    threading.Timer(0.2, patience.hurry).start()
    began = time.monotonic()
    with pytest.raises(OSError, match="away"):
        patience.ask(away)
    assert time.monotonic() - began < 10


def test_it_is_quiet_about_mlflow_meanwhile_and_no_longer(caplog: pytest.LogCaptureFixture) -> None:
    noisy = logging.getLogger("mlflow.store.db.utils")
    with quiet():
        assert not noisy.isEnabledFor(logging.ERROR)
    assert noisy.isEnabledFor(logging.ERROR)


def test_a_database_that_is_locked_for_ten_seconds_loses_nothing(
    tmp_path: Path,
    make_home: Make,
    results: Store,
    record: TournamentRecord,
    capfd: pytest.CaptureFixture[str],
) -> None:
    scoreboard = build_scoreboard(record)
    calm, locked = make_home(tmp_path / "calm"), make_home(tmp_path / "locked")
    MlflowLog(Home(calm), results).log_round(record, scoreboard)
    other = sqlite3.connect(locked / "mlflow.db", check_same_thread=False, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    threading.Timer(10, lambda: other.execute("ROLLBACK")).start()
    capfd.readouterr()
    backlog = Backlog(MlflowLog(Home(locked), results))
    backlog.log(record, scoreboard)
    assert backlog.close() == ""
    assert "".join(capfd.readouterr()) == ""
    other.close()
    assert contents_of(_client(locked)) == contents_of(_client(calm))


def test_a_game_is_played_without_its_database_and_logged_by_playing_again(
    home: Path,
    tmp_path: Path,
    make_home: Make,
    make_config: Callable[..., TournamentConfig],
    replaying: Make,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    place = make_home(tmp_path / "home")
    _take_away(place)
    monkeypatch.setattr("fakeoff.leaderboard.mlflow.mlflow_store.Patience", lambda _: Patience(0))
    console = Console(file=io.StringIO(), width=60)
    scoreboard = play(make_config(), home=Home(place), executor=replaying(), console=console)
    assert (place / "scoreboard.json").read_bytes() == (home / "scoreboard.json").read_bytes()
    assert scoreboard.round == 2
    *_, said = console.file.getvalue().strip().splitlines()
    assert said.startswith("rounds 0 to 2 not logged to MLflow, nothing is lost: MLflow's files in ")
    assert said.endswith(f"log it with: fakeoff run --home {place}")
    assert "Traceback" not in console.file.getvalue()

    _give_back(place)
    console = Console(file=io.StringIO(), width=60)
    play(make_config(), home=Home(place), executor=replaying(), console=console)
    assert "not logged" not in console.file.getvalue()
    assert contents_of(_client(place)).keys() == contents_of(_client(home)).keys()
    scores = [contents_of(_client(folder))["detector first"][0][HEADLINES["detector"]] for folder in (place, home)]
    assert scores[0] == scores[1]
    assert [step for step, _ in scores[0]] == [0, 1, 2]


def test_a_round_that_could_not_be_logged_is_logged_with_the_next_one(
    tmp_path: Path, make_home: Make, results: Store, record: TournamentRecord
) -> None:
    place = make_home(tmp_path / "home")
    before = TournamentRecord(**{**vars(record), "round": 1})
    backlog = Backlog(MlflowLog(Home(place), results, patience=0))
    _take_away(place)
    backlog.log(before, build_scoreboard(before))
    _give_back(place)
    backlog.log(record, build_scoreboard(record))
    assert backlog.close() == ""
    assert [step for step, _ in contents_of(_client(place))["detector first"][0][HEADLINES["detector"]]] == [1, 2]


def test_an_error_of_the_database_is_told_without_its_statement(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").mkdir()
    with pytest.raises(StoreError, match=r"unable to open database file$"):
        MlflowStore(Home(tmp_path), patience=0).knock()


def _take_away(place: Path) -> None:
    shutil.move(place / "mlflow.db", place / "elsewhere")
    (place / "mlflow.db").mkdir()


def _give_back(place: Path) -> None:
    (place / "mlflow.db").rmdir()
    shutil.move(place / "elsewhere", place / "mlflow.db")


def _client(place: Path) -> MlflowClient:
    return MlflowClient(tracking_uri=f"sqlite:///{place / 'mlflow.db'}")


def test_it_stays_quiet_until_the_last_has_left() -> None:
    logger = logging.getLogger("mlflow")
    before, first, second = logger.level, quiet(), quiet()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert logger.level == logging.CRITICAL
    second.__exit__(None, None, None)
    assert logger.level == max(before, logging.WARNING)


def test_it_is_quiet_where_the_database_is_opened(tmp_path: Path, make_home: Callable[[Path], Path]) -> None:
    store = MlflowStore(Home(make_home(tmp_path / "home")), patience=0.0)
    with store.errors():
        store.experiments()
        assert logging.getLogger("mlflow").level == logging.CRITICAL
