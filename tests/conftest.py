from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from fakeoff.arena.registry import load_plugin_file
from fakeoff.protocols.config import TournamentConfig, parse_config

TOYS = Path(__file__).parent / "toy_players.py"

# Before anything imports mlflow.
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"


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
            "attack": {"steps": 4, "batch": 4, "generator_lr": 0.05},
            "defend": {"steps": 20, "batch": 8, "check_every": 10},
            "score": {"resamples": 100},
            "compute": {"attack_threads": 1, "precision": "float32"},
        }
        return parse_config({**small, **over}, where="test")

    return make
