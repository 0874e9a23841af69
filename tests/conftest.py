from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image

from fakeoff.arena.images import generator_transform
from fakeoff.arena.images.reals import orl_faces
from fakeoff.arena.players.plugins import load_plugin_file
from fakeoff.protocols.config import TournamentConfig, parse_config

TOYS = Path(__file__).parent / "toy_players.py"

# Before anything imports mlflow.
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"


# Files of one long test or fixture begin first, so that no process is left alone with one at the end.
_LONG = ("test_tutorial.py", "test_same_bytes.py", "test_cluster.py", "test_misbehaviour.py", "test_third_party.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: _LONG.index(item.path.name) if item.path.name in _LONG else len(_LONG))


@pytest.fixture(scope="module")
def quick_pictures() -> Iterator[None]:
    """Lets a tournament log blank pictures of parts: a real one takes a second, and a tournament logs a dozen."""

    def blank(*_: Any, **__: Any) -> Figure:
        return Figure(figsize=(1, 1), dpi=20)

    with pytest.MonkeyPatch.context() as patch:
        for name in ("match_heatmaps", "part_histograms", "shift_histograms"):
            patch.setattr(f"fakeoff.leaderboard.mlflow.mlflow_log.{name}", blank)
        for place in ("looks.match_heatmaps", "looks.shift_histograms", "report.state_plot"):
            patch.setattr(f"fakeoff.leaderboard.report.{place}", blank)
        yield


@pytest.fixture(scope="session", autouse=True)
def _kept_apart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What toys take, and that they were run, is not remembered for whoever plays on this machine."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("fakeoff.leaderboard.home.costs.cache_folder", lambda: folder)
        patch.setattr("fakeoff.arena.players.trust.state_folder", lambda: folder)
        yield


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MLflow's database with nothing in it. MLflow takes seconds to make one, so homes are given a copy."""
    from mlflow import MlflowClient

    path = tmp_path_factory.mktemp("database") / "mlflow.db"
    MlflowClient(tracking_uri=f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture(scope="session")
def make_home(empty_database: Path) -> Callable[[Path], Path]:
    """Makes a home in which nothing was played, and whose database is there."""

    def make(home: Path) -> Path:
        home.mkdir(parents=True, exist_ok=True)
        shutil.copy(empty_database, home / "mlflow.db")
        return home

    return make


@pytest.fixture(scope="session")
def toys() -> Path:
    """The plugin file with players that play in seconds, registered."""
    load_plugin_file(TOYS)
    return TOYS


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Tiny tensors: on a busy machine, threads that wait for each other take most of the time."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def toy_config(toys: Path) -> Callable[..., TournamentConfig]:
    """Makes the configuration of a tournament of toys on ORL at 16 px that takes seconds."""

    def make(**over: Any) -> TournamentConfig:
        small: dict[str, Any] = {
            "rounds": 1,
            "generators": [{"plugin": "toy_generator"}],
            "detectors": [{"plugin": "toy_detector"}],
            "arena": {"resolution": 16},
            "pools": {"train_fakes": 32, "val_fakes": 16, "test_fakes": 16},
            "attack": {"steps": 4, "batch": 4},
            "defend": {"steps": 20, "batch": 8, "check_every": 10},
            "score": {"resamples": 100, "scored_again": 0, "quality_gate": False},  # toys make no faces
            "compute": {"attack_threads": 1, "device": "cpu", "precision": "float32"},
        }
        settings = {**small, **over}
        settings["score"] = {"least_auc": 0, "through": [], **settings["score"]}  # nor do toys learn
        return parse_config(settings, where="test")

    return make


@pytest.fixture(scope="session")
def jpegs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photographs of 64 pixels as JPEG: no resize stands between their grid and pools of 64 pixels."""
    root = tmp_path_factory.mktemp("jpegs")
    for photographs in orl_faces().photographs.values():
        for photograph in photographs[::2]:
            with Image.open(photograph.path) as opened:
                pixels = generator_transform(opened, resolution=64, colour="grey")
            path = root / photograph.group / f"{photograph.path.stem}.jpg"
            path.parent.mkdir(exist_ok=True)
            Image.fromarray(pixels).convert("L").save(path, quality=95)
    return root
