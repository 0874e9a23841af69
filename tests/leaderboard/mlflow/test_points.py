from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.entities import Metric

from fakeoff.leaderboard.home.home import Home
from fakeoff.leaderboard.mlflow.mlflow_store import MlflowStore
from fakeoff.leaderboard.mlflow.points import rounded

STARTED_MS = 1_700_000_000_000


@pytest.fixture
def folder(tmp_path: Path, empty_database: Path) -> Path:
    shutil.copy(empty_database, tmp_path / "mlflow.db")
    return tmp_path


def _log(folder: Path, *points: tuple[str, float, int], store: MlflowStore | None = None) -> MlflowStore:
    store = store or MlflowStore(Home(folder))
    with store.errors():
        tags = {"arena.tournament": "t"}
        run = store.run(store.experiment("fakeoff test"), "first", title="first", tags=tags, started_ms=STARTED_MS)
        store.points(run, points, started_ms=STARTED_MS)
    return store


def _seen(folder: Path, name: str) -> tuple[float, list[tuple[int, float]]]:
    client = MlflowClient(tracking_uri=f"sqlite:///{folder / 'mlflow.db'}")
    [run] = client.search_runs(["1"])
    history = client.get_metric_history(run.info.run_id, name)
    return run.data.metrics[name], sorted((point.timestamp - STARTED_MS, point.value) for point in history)


def test_mlflow_shows_the_higher_of_two_values_of_one_step_and_millisecond(folder: Path) -> None:
    # Why what corrects needs a timestamp of its own; if this fails, points may be simpler.
    _log(folder, ("score", 0.9, 1))
    client = MlflowClient(tracking_uri=f"sqlite:///{folder / 'mlflow.db'}")
    [run] = client.search_runs(["1"])
    client.log_batch(run.info.run_id, metrics=[Metric("score", 0.4, STARTED_MS + 1, 1)])
    assert _seen(folder, "score")[0] == 0.9


@pytest.mark.parametrize("corrected", [0.4, 0.95])
@pytest.mark.parametrize("again", [True, False], ids=["another process", "the same process"])
def test_what_is_logged_anew_wins(folder: Path, corrected: float, again: bool) -> None:
    store = _log(folder, ("score", 0.9, 1), ("score", 0.5, 0))
    _log(folder, ("score", corrected, 1), ("score", 0.5, 0), store=None if again else store)
    assert _seen(folder, "score") == (corrected, [(0, 0.5), (1, 0.9), (2, corrected)])
    # And back: it is later again.
    _log(folder, ("score", 0.9, 1))
    assert _seen(folder, "score")[0] == 0.9


def test_what_is_there_is_not_logged_again(folder: Path) -> None:
    for _ in range(2):
        _log(folder, ("score", 0.5, 0), ("score", 0.9, 1), ("auc/pgan@1", 1.0, 1))
    assert _seen(folder, "score") == (0.9, [(0, 0.5), (1, 0.9)])
    assert _seen(folder, "auc/pgan:1") == (1.0, [(1, 1.0)])


@pytest.mark.parametrize(
    ("value", "shown"),
    [(-6.66e-16, 0.0), (1.0000000000000007, 1.0), (0.914062511, 0.914063), (123456.789, 123457.0), (2.5e-7, 2.5e-7)],
)
def test_figures_are_rounded_for_people(folder: Path, value: float, shown: float) -> None:
    assert rounded(value) == shown
    _log(folder, ("figure", value, 0))
    seen, _ = _seen(folder, "figure")
    assert (seen, str(seen)[0]) == (shown, str(shown)[0]), "no negative zero"


def test_points_of_a_thousand_steps_are_all_there(folder: Path) -> None:
    points: list[Any] = [("train/loss", 1 / (step + 1), step) for step in range(2500)]
    _log(folder, *points)
    assert len(_seen(folder, "train/loss")[1]) == 2500
