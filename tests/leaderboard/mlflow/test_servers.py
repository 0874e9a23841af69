"""The same log on a home's own SQLite, on a server over SQLite and on one over PostgreSQL."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from fakeoff.arena.jobs.store import Store
from fakeoff.leaderboard.home.home import Home
from fakeoff.leaderboard.mlflow.backlog import Backlog
from fakeoff.leaderboard.mlflow.mlflow_log import MlflowLog
from fakeoff.leaderboard.mlflow.ui import leaderboard_addresses
from fakeoff.leaderboard.mlflow.views import COMPARED, VIEWS
from fakeoff.leaderboard.scoreboard import build_scoreboard
from fakeoff.protocols.measures.tournament import TournamentRecord
from tests.leaderboard.mlflow.contents import contents_of, experiment_of, runs_of

pytestmark = pytest.mark.usefixtures("quick_pictures", "blank_plots")


@pytest.fixture(scope="module")
def own(
    tmp_path_factory: pytest.TempPathFactory, results: Store, record: TournamentRecord, make_home: Callable[..., Path]
) -> dict[str, Any]:
    """What a home's own MLflow says of the record."""
    folder = make_home(tmp_path_factory.mktemp("own"))
    MlflowLog(Home(folder), results).log_round(record, build_scoreboard(record))
    return contents_of(MlflowClient(tracking_uri=f"sqlite:///{folder / 'mlflow.db'}"))


@pytest.fixture(autouse=True)
def _nothing_is_there(server: Any) -> Iterator[None]:
    yield
    for found in server.client.search_experiments():
        if found.name != "Default":
            server.client.rename_experiment(found.experiment_id, f"old {found.experiment_id}")
            server.client.delete_experiment(found.experiment_id)
    for registered in server.client.search_registered_models():
        server.client.delete_registered_model(registered.name)


def test_a_server_is_told_what_a_homes_own_mlflow_is(
    server: Any, tmp_path: Path, results: Store, record: TournamentRecord, own: dict[str, Any]
) -> None:
    home, scoreboard = Home(tmp_path / "home"), build_scoreboard(record)
    MlflowLog(home, results, server=server.address).log_round(record, scoreboard)
    assert contents_of(server.client) == own
    # Nothing but what is remembered lies in the home, and artifacts travelled through the server.
    assert [path.name for path in home.folder.iterdir()] == ["mlflow.json"]
    assert experiment_of(server.client).artifact_location.startswith("mlflow-artifacts:")
    [tournament] = [run for name, run in runs_of(server.client).items() if name.startswith("tournament")]
    told = server.client.download_artifacts(tournament.info.run_id, "scoreboard.json", str(tmp_path))
    assert '"schema_version"' in Path(told).read_text()
    assert own["views"].keys() == {f"mlflow.sharedViewState.{view.key}" for view in (*VIEWS, *COMPARED)}
    addresses = leaderboard_addresses(home, server.address, server=server.address)
    assert all(address.startswith(f"{server.address}/#/experiments/") for address in addresses.values())
    # Another home finds it all by its tags, and adds nothing.
    MlflowLog(Home(tmp_path / "other"), results, server=server.address).log_round(record, scoreboard)
    assert contents_of(server.client) == own


def test_a_server_that_is_gone_for_ten_seconds_loses_nothing(
    server: Any,
    tmp_path: Path,
    results: Store,
    record: TournamentRecord,
    own: dict[str, Any],
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gone = server if server.postgres is None else server.postgres  # the server, or the database under it
    backs: list[threading.Timer] = []
    log_jobs = MlflowLog._log_jobs

    def after_the_players(self: MlflowLog, *given: Any) -> None:
        if not backs:
            gone.stop()
            backs.append(threading.Timer(10, gone.start))
            backs[0].start()
        log_jobs(self, *given)

    monkeypatch.setattr(MlflowLog, "_log_jobs", after_the_players)
    backlog = Backlog(MlflowLog(Home(tmp_path / "home"), results, server=server.address, patience=60))
    capfd.readouterr()
    backlog.log(record, build_scoreboard(record))
    backs[0].join()
    assert backlog.close() == ""
    assert contents_of(server.client) == own
    assert "".join(capfd.readouterr()) == ""


def test_one_that_stays_away_is_told_at_the_next_chance(
    server: Any, tmp_path: Path, results: Store, record: TournamentRecord, own: dict[str, Any]
) -> None:
    gone = server if server.postgres is None else server.postgres
    log = MlflowLog(Home(tmp_path / "home"), results, server=server.address, patience=0)
    backlog, scoreboard = Backlog(log), build_scoreboard(record)
    gone.stop()
    try:
        backlog.log(record, scoreboard)
        said = backlog.close()
    finally:
        gone.start()
    assert said.startswith(
        f"round 2 not logged to MLflow, nothing is lost: MLflow at {server.address} cannot be used: "
    )
    assert "\n" not in said
    assert backlog.close() == ""
    assert contents_of(server.client) == own
