"""MLflow's empty database is made once, and a copy of it is what MLflow would have made."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from importlib.metadata import version
from pathlib import Path

import pytest
from mlflow import MlflowClient

from fakeoff.leaderboard.mlflow.empty_database import put_empty_database


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, empty_database: Path) -> Path:
    """A cache in which the database lies."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    kept = tmp_path / "cache" / "fakeoff" / f"mlflow-{version('mlflow')}.db"
    kept.parent.mkdir(parents=True)
    kept.write_bytes(empty_database.read_bytes())
    return kept


def _tables(database: Path) -> dict[str, list[tuple[str, str]]]:
    """Names and types of columns, by table; MLflow writes the values that a column may have in a random order."""
    with closing(sqlite3.connect(database)) as connection:
        names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        columns = {name: connection.execute(f"PRAGMA table_info('{name}')").fetchall() for name in sorted(names)}
    return {name: [(column[1], column[2]) for column in found] for name, found in columns.items()}


def test_nothing_in_the_cache_has_mlflow_make_it_and_keeps_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, empty_database: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    put_empty_database(tmp_path / "mlflow.db")
    assert _tables(tmp_path / "mlflow.db") == _tables(empty_database)
    (kept,) = (tmp_path / "cache" / "fakeoff").iterdir()
    assert kept.name == f"mlflow-{version('mlflow')}.db"
    assert kept.read_bytes() == (tmp_path / "mlflow.db").read_bytes()
    experiments = MlflowClient(tracking_uri=f"sqlite:///{tmp_path / 'mlflow.db'}").search_experiments()
    assert [experiment.name for experiment in experiments] == ["Default"]


def test_what_is_kept_is_copied_and_not_made_again(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlflow.MlflowClient", None)
    put_empty_database(tmp_path / "mlflow.db")
    assert (tmp_path / "mlflow.db").read_bytes() == cache.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cache", "mlflow.db"]


def test_a_database_that_is_there_is_left_alone(cache: Path, tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_bytes(b"mine")
    put_empty_database(tmp_path / "mlflow.db")
    assert (tmp_path / "mlflow.db").read_bytes() == b"mine"


@pytest.mark.parametrize("damage", ["cut off", "nothing", "of somebody else", "with a run in it"])
def test_a_damaged_one_is_made_again(cache: Path, tmp_path: Path, damage: str) -> None:
    whole = cache.read_bytes()
    if damage == "with a run in it":
        client = MlflowClient(tracking_uri=f"sqlite:///{cache}")
        client.create_run("0")
    elif damage == "of somebody else":
        cache.unlink()
        with closing(sqlite3.connect(cache)) as connection:
            connection.execute("CREATE TABLE runs (a)")
            connection.commit()
    else:
        cache.write_bytes(whole[: len(whole) // 2] if damage == "cut off" else b"")
    put_empty_database(tmp_path / "mlflow.db")
    client = MlflowClient(tracking_uri=f"sqlite:///{tmp_path / 'mlflow.db'}")
    assert client.search_runs(["0"]) == []


def test_without_a_cache_it_is_laid_beside_and_moved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    put_empty_database(tmp_path / "mlflow.db")
    assert (tmp_path / "mlflow.db").is_file()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cache", "mlflow.db"]
