"""Localisation of a played game: in its cell, on the terminal, in MLflow and in the picture of its match."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlflow import MlflowClient
from rich.console import Console

from fakeoff.arena.jobs.executors import SerialExecutor
from fakeoff.arena.players.plugins import load_plugin_file
from fakeoff.leaderboard.home.home import Home
from fakeoff.leaderboard.home.ledger import read_ledger
from fakeoff.leaderboard.mlflow import mlflow_log
from fakeoff.leaderboard.scoreboard import Scoreboard, build_scoreboard
from fakeoff.leaderboard.terminal.tables import print_scoreboard
from fakeoff.protocols.config import TournamentConfig
from fakeoff.protocols.score.localisation import LOCATED

TOYS = [Path(__file__).parents[1] / name for name in ("toy_manipulators.py", "toy_parsers.py")]

Make = Callable[..., Any]


@pytest.fixture(scope="module")
def played(
    tmp_path_factory: pytest.TempPathFactory,
    make_home: Callable[[Path], Path],
    toy_config: Callable[..., TournamentConfig],
    play_in: Callable[..., dict[str, Any]],
) -> Any:
    """Two generators, one a manipulator, against a detector that sees its squares and one that points elsewhere; and
    the masks with which pictures of matches were drawn."""
    for file in TOYS:
        load_plugin_file(file)
    config = toy_config(
        rounds=0,
        generators=[{"plugin": "toy_painted_square"}, {"plugin": "toy_fixed_generator", "name": "noise"}],
        detectors=[{"plugin": "toy_sees_white", "name": "white"}, {"plugin": "toy_sees_all_else", "name": "else"}],
        arena={"resolution": 32},
        pools={"train_fakes": 16, "val_fakes": 16, "test_fakes": 24},
        score={"resamples": 100, "scored_again": 0, "quality_gate": False, "polarity_check": False},
        parts={"parser": "toy_quadrants"},
        audit={"on_leak": "skip"},
    )
    drawn: dict[str, Any] = {}
    draw = mlflow_log.match_heatmaps

    def watched(title: str, *given: Any, masks: Any = None) -> Any:
        drawn[title] = masks
        return draw(title, *given, masks=masks)

    home = make_home(tmp_path_factory.mktemp("localised"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mlflow_log, "match_heatmaps", watched)
        scoreboard = play_in(config, home, SerialExecutor())
    return home, scoreboard, drawn


def test_it_stands_in_the_cell_of_its_match_and_nowhere_else(played: Any) -> None:
    home, scoreboard, _ = played
    assert "localisation" not in scoreboard
    cells = {(cell["generator"], cell["detector"]): cell for cell in scoreboard["cells"]}
    assert {pair for pair, cell in cells.items() if "localisation" in cell} == {
        ("toy_painted_square", "white"),
        ("toy_painted_square", "else"),
    }
    found = cells["toy_painted_square", "white"]["localisation"]
    assert set(found) == {"n", "left_out", "people", "area", "threshold", *LOCATED}
    assert found["pointing"]["value"] == 1
    assert found["auc"]["ci"][0] > found["auc"]["chance"]
    # Read back from its file and from the ledger, it is the same.
    assert Scoreboard.from_json(scoreboard).to_json() == scoreboard
    record = read_ledger(Home(home), Home(home).open_store())
    assert build_scoreboard(record).to_json() == scoreboard
    assert len(record.localisations) == 2


def test_a_file_of_before_there_was_any_is_read(played: Any) -> None:
    _, scoreboard, _ = played
    cells = [{name: value for name, value in cell.items() if name != "localisation"} for cell in scoreboard["cells"]]
    old = Scoreboard.from_json({**scoreboard, "cells": cells})
    assert old.localisations == ()
    assert "Localisation" not in _printed(old)


def test_the_terminal_shows_it_beside_the_paired_real_and_a_random_patch(played: Any) -> None:
    _, scoreboard, _ = played
    lines = _printed(Scoreboard.from_json(scoreboard)).splitlines()
    at = next(index for index, line in enumerate(lines) if line.startswith("Localisation"))
    [cell] = [c for c in scoreboard["cells"] if (c["generator"], c["detector"]) == ("toy_painted_square", "white")]
    first = next(index for index in range(at, len(lines)) if "white@0" in lines[index])
    for line, figure in zip(lines[first:], ("value", "paired", "random"), strict=False):
        for name in LOCATED:
            assert f" {cell['localisation'][name][figure]:.2f} " in line
    words = lines.index("In words")
    assert not [line for line in lines[at:words] if "noise@0" in line]


def _printed(scoreboard: Scoreboard) -> str:
    out = io.StringIO()
    print_scoreboard(scoreboard, Console(file=out, width=100))
    return out.getvalue()


def test_mlflow_has_its_means_over_the_newest_opponents(played: Any, client: Callable[[Path], MlflowClient]) -> None:
    home, scoreboard, _ = played
    runs = client(home)
    experiments = [one.experiment_id for one in runs.search_experiments() if one.name != "Default"]
    players = {run.data.tags.get("arena.player"): run for run in runs.search_runs(experiments)}
    cells = [cell for cell in scoreboard["cells"] if "localisation" in cell]
    for player in ("toy_painted_square", "white", "else"):
        mine = [cell["localisation"] for cell in cells if player in (cell["generator"], cell["detector"])]
        for name in LOCATED:
            for suffix, figure in (("", "value"), (" random", "random"), (" paired real", "paired")):
                logged = players[player].data.metrics[f"localisation/{name}{suffix}"]
                assert logged == pytest.approx(np.mean([one[name][figure] for one in mine]), rel=1e-5)
    assert not [name for name in players["noise"].data.metrics if name.startswith("localisation")]


def test_only_pictures_of_a_manipulators_fakes_have_outlines(played: Any) -> None:
    _, _, drawn = played
    masks = {title.partition("\n")[0]: found for title, found in drawn.items()}
    for judge in ("white@0", "else@0"):
        assert masks[f"{judge} looking at noise@0"] is None
        assert masks[f"{judge} looking at toy_painted_square@0"].shape == (24, 32, 32)
