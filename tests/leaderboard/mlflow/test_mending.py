"""A home's database that was laid by half, or is damaged: the game is logged all the same, and nothing is lost."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from fakeoff.arena.jobs.store import Store
from fakeoff.leaderboard.home.home import Home
from fakeoff.leaderboard.mlflow.mending import mend_database
from fakeoff.leaderboard.mlflow.mlflow_log import MlflowLog
from fakeoff.leaderboard.scoreboard import build_scoreboard
from fakeoff.protocols.measures.tournament import TournamentRecord

pytestmark = pytest.mark.usefixtures("quick_pictures", "blank_plots")


def _by_half(database: Path, empty: Path) -> None:
    """As a kill in the middle of MLflow's own way leaves it: its tables, and an early release."""
    database.write_bytes(empty.read_bytes())
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '451aebb31d03'")
        connection.execute("DROP TABLE logged_models")
        connection.commit()


def _flipped(database: Path, empty: Path) -> None:
    content = bytearray(empty.read_bytes())
    for page in range(4096, len(content), 4096):
        content[page : page + 16] = b"\xff" * 16
    database.write_bytes(content)


def _noise(database: Path, empty: Path) -> None:
    database.write_bytes(b"this is no database" * 300)


@pytest.mark.parametrize(
    ("spoil", "kept"),
    [
        (_by_half, []),
        (lambda database, empty: database.write_bytes(b""), []),
        (_flipped, ["mlflow.db.damaged"]),
        (_noise, ["mlflow.db.damaged"]),
    ],
    ids=["laid by half", "nothing", "flipped", "no database"],
)
def test_a_fresh_database_is_filled(
    spoil: Callable[[Path, Path], Any],
    kept: list[str],
    tmp_path: Path,
    empty_database: Path,
    results: Store,
    record: TournamentRecord,
) -> None:
    home = Home(tmp_path)
    spoil(home.database, empty_database)
    before = home.database.read_bytes()
    log = MlflowLog(home, results)
    log.log_round(record, build_scoreboard(record))
    client = MlflowClient(tracking_uri=f"sqlite:///{home.database}")
    [experiment] = [one for one in client.search_experiments() if one.name != "Default"]
    assert {run.info.status for run in client.search_runs([experiment.experiment_id])} == {"FINISHED"}
    assert sorted(path.name for path in tmp_path.glob("*damaged*")) == kept
    assert not list(tmp_path.glob(".*"))
    if kept:
        assert (tmp_path / kept[0]).read_bytes() == before
        assert log.mended.startswith(f"MLflow's database '{home.database}' is damaged (")
        assert "\n" not in log.mended
    else:
        assert log.mended == ""


def test_what_is_locked_or_whole_stays_and_a_second_damaged_one_has_a_name_of_its_own(
    tmp_path: Path, empty_database: Path
) -> None:
    database = tmp_path / "mlflow.db"
    assert mend_database(database) == ""
    database.write_bytes(empty_database.read_bytes())
    assert mend_database(database) == ""
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert mend_database(database) == ""
    (tmp_path / "mlflow.db.damaged").write_bytes(b"an earlier one")
    database.write_bytes(b"this is no database" * 300)
    assert "'mlflow.db.damaged-2'" in mend_database(database)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mlflow.db.damaged", "mlflow.db.damaged-2"]
