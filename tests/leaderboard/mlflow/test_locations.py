"""A home may be moved and copied: MLflow finds its artifacts, and writes into no other place."""

from __future__ import annotations

import shutil
import sqlite3
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from fakeoff.leaderboard.home.home import Home
from fakeoff.leaderboard.mlflow.database_address import address_of
from fakeoff.leaderboard.mlflow.locations import locations_elsewhere, settle_artifacts
from fakeoff.leaderboard.mlflow.mlflow_store import MlflowStore, database_uri
from fakeoff.leaderboard.mlflow.ui import served
from tests.leaderboard.sockets import listening_of

pytestmark = pytest.mark.usefixtures("quick_pictures")

AWKWARD = "100% of a copy? #2;é"


def _tree(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _artifacts(folder: Path) -> dict[str, bytes]:
    return _tree(Home(folder).artifacts)


def test_a_copy_is_played_on_and_shown_where_it_is_and_a_moved_home_stays_moved(
    tmp_path: Path,
    new_home: Path,
    home: Path,
    make_config: Callable[..., Any],
    play_in: Callable[..., Any],
    replaying: Callable[..., Any],
) -> None:
    play_in(make_config(rounds=1), new_home, replaying())
    moved, copy = tmp_path / "moved", tmp_path / "below" / AWKWARD
    shutil.copytree(new_home, copy)
    new_home.rename(moved)
    before = _tree(moved)

    play_in(make_config(rounds=2), copy, replaying())
    assert not new_home.exists()
    assert _tree(moved) == before
    assert locations_elsewhere(Home(copy).database, Home(copy).artifacts) == []
    # As if it had been played there from the start: names of files begin with when it was begun, and end at random.
    assert len(_artifacts(copy)) == len(_artifacts(home))
    assert sorted(path.name for path in copy.parent.iterdir()) == [AWKWARD]

    MlflowStore(Home(moved), patience=0).experiments()
    assert locations_elsewhere(Home(moved).database, Home(moved).artifacts) == []
    assert not new_home.exists()

    client = MlflowClient(tracking_uri=database_uri(Home(copy)))
    [run] = client.search_runs(["1"], filter_string="tags.`arena.kind` = 'tournament'")
    with served(Home(copy), port=0) as (base, server):
        # Here, too: where there is no browser, its tests are left out.
        assert {place.rpartition(":")[0] for place in listening_of(server.pid)} == {"127.0.0.1"}
        asked = f"{base}/get-artifact?path=scoreboard.json&run_uuid={run.info.run_id}"
        with urllib.request.urlopen(asked) as answer:
            assert answer.read() == (copy / "scoreboard.json").read_bytes()


def test_a_copy_and_its_original_are_told_apart_in_one_process(home: Path, tmp_path: Path) -> None:
    """MLflow remembers places of artifacts by the ids of runs, which a copy shares with its original."""
    copies = [tmp_path / name for name in ("one", "two")]
    for copy in copies:
        shutil.copytree(home, copy)
    stores = [MlflowStore(Home(copy), patience=0) for copy in copies]
    run = stores[0].client.search_runs(stores[0].experiments())[0].info.run_id
    for _ in range(2):
        for store, copy in zip(stores, copies, strict=True):
            store.client.log_text(run, str(copy), "whose.txt")
    for copy in copies:
        assert [path.read_text() for path in copy.rglob("whose.txt")] == [str(copy)]


def test_a_home_that_stayed_is_only_read(home: Path, tmp_path: Path) -> None:
    copy = Home(tmp_path / "copy")
    shutil.copytree(home, copy.folder)
    settle_artifacts(copy.database, copy.artifacts)
    settled = copy.database.read_bytes()
    copy.database.chmod(0o400)
    settle_artifacts(copy.database, copy.artifacts)
    assert copy.database.read_bytes() == settled


def test_what_somebody_keeps_elsewhere_stays_there(tmp_path: Path, make_home: Callable[[Path], Path]) -> None:
    home = Home(make_home(tmp_path / "home"))
    client = MlflowClient(tracking_uri=database_uri(home))
    mine = client.create_experiment("mine", artifact_location=(tmp_path / "mine").as_uri())
    here = client.create_experiment("fakeoff orl 16px grey", artifact_location="file:///old%20place/mlflow-artifacts")
    like = client.create_experiment("alike", artifact_location="file:///old%20place/mlflow-artifacts-2/3")
    runs = {experiment: client.create_run(experiment) for experiment in (mine, here, like)}
    settle_artifacts(home.database, home.artifacts)
    told = {experiment: client.get_run(run.info.run_id).info.artifact_uri for experiment, run in runs.items()}
    assert told[mine].startswith((tmp_path / "mine").as_uri())
    assert told[like].startswith("file:///old%20place/mlflow-artifacts-2/3/")
    assert told[here] == f"{home.artifacts.as_uri()}/{runs[here].info.run_id}/artifacts"
    # MLflow's own default is where whoever made the empty database stood.
    assert client.get_experiment("0").artifact_location == f"{home.artifacts.as_uri()}/0"
    assert locations_elsewhere(home.database, home.artifacts) == sorted(
        {client.get_experiment(one).artifact_location for one in (mine, like)} | {told[mine], told[like]}
    )


@pytest.mark.parametrize("name", ["a b", "a%20b", "100%", "a?b", "a#b", "a:b@c", "é\"'"])
def test_any_name_can_be_an_address(tmp_path: Path, name: str) -> None:
    from sqlalchemy import create_engine

    database = tmp_path / name / "mlflow.db"
    database.parent.mkdir()
    with create_engine(address_of(database)).connect() as connection:
        connection.exec_driver_sql("CREATE TABLE seen (x)")
    with sqlite3.connect(database) as opened:
        assert opened.execute("SELECT name FROM sqlite_master").fetchall() == [("seen",)]
    assert [path.name for path in tmp_path.iterdir()] == [name]
