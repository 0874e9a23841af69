"""Searches and masked gradients in MLflow."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from fakeoff.arena.jobs.executors import SerialExecutor
from fakeoff.arena.players.plugins import load_plugin_file
from fakeoff.protocols.config import TournamentConfig

TOYS = Path(__file__).parents[1] / "toy_latents.py"

pytestmark = pytest.mark.usefixtures("quick_pictures")


def test_searches_are_points_and_a_masked_gradient_is_a_tag_of_its_detector(
    toy_config: Callable[..., TournamentConfig],
    play_in: Callable[..., dict[str, Any]],
    new_home: Path,
    client: Callable[[Path], MlflowClient],
) -> None:
    load_plugin_file(TOYS)
    config = toy_config(
        generators=[{"plugin": "toy_latents"}],
        detectors=[{"plugin": "toy_masked"}],
        pools={"train_fakes": 16, "val_fakes": 16, "test_fakes": 40},
        attack={"steps": 10, "batch": 8, "weight": 1.0},
        search={"when": "always", "queries": 24, "fakes": 24},
        parts={"parser": ""},
        audit={"on_leak": "skip"},
    )
    scoreboard = play_in(config, new_home, SerialExecutor())
    [masking] = scoreboard["masking"]
    [search] = scoreboard["searches"]
    runs = client(new_home)
    experiments = [one.experiment_id for one in runs.search_experiments() if one.name != "Default"]
    players = {run.data.tags.get("arena.player"): run for run in runs.search_runs(experiments)}
    assert players["toy_masked"].data.tags["arena.masking"] == masking["sentence"]
    assert "arena.masking" not in players["toy_latents"].data.tags
    for player, opponent in (("toy_masked", "toy_latents"), ("toy_latents", "toy_masked")):
        run = players[player]
        for part in ("start", "found", "followed"):
            name = f"search/{opponent}: recall_fake {part}"
            [point] = runs.get_metric_history(run.info.run_id, name)
            assert (point.step, point.value) == (1, pytest.approx(search[part]["recall_fake"], rel=1e-5))
