"""What is left behind what images go through: in the file, in tables, in the report and in MLflow."""

from __future__ import annotations

import copy
import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure
from mlflow import MlflowClient

from fakeoff.arena.jobs.executors import SerialExecutor
from fakeoff.arena.players.plugins import load_plugin_file
from fakeoff.leaderboard.boards import board_text
from fakeoff.leaderboard.comparing import comparable
from fakeoff.leaderboard.formats.board import Board
from fakeoff.leaderboard.home.home import Home
from fakeoff.leaderboard.mlflow.terms import terms_of
from fakeoff.leaderboard.play import rebuild_scoreboard
from fakeoff.leaderboard.plots.postprocessed_plot import postprocessed_plot
from fakeoff.leaderboard.report.facts.postprocessed import behind_matches_table, behind_table
from fakeoff.leaderboard.report.facts.tables import Figure as Told
from fakeoff.leaderboard.scoreboard import Scoreboard
from fakeoff.leaderboard.verdict.cautions import find_cautions
from fakeoff.protocols.config import TournamentConfig

TRACES = Path(__file__).parents[1] / "toy_traces.py"


@pytest.fixture(scope="module")
def traced(toy_config: Callable[..., TournamentConfig]) -> Callable[..., TournamentConfig]:
    load_plugin_file(TRACES)

    def make(*through: str) -> TournamentConfig:
        return toy_config(
            rounds=0,
            generators=[{"plugin": "toy_watermarked"}],
            detectors=[{"plugin": "toy_checkers", "name": "fragile"}, {"plugin": "toy_bright", "name": "honest"}],
            pools={"train_fakes": 32, "val_fakes": 16, "test_fakes": 32},
            score={"resamples": 200, "scored_again": 0, "quality_gate": False, "through": list(through)},
            parts={"parser": ""},
            audit={"on_leak": "skip"},
        )

    return make


@pytest.fixture(scope="module")
def traces(
    tmp_path_factory: pytest.TempPathFactory,
    make_home: Callable[[Path], Path],
    traced: Callable[..., TournamentConfig],
    play_in: Callable[..., dict[str, Any]],
) -> Path:
    """A home that was played without chains, and then behind two."""
    home = make_home(tmp_path_factory.mktemp("traces"))
    for through in ((), ("jpeg:75", "resize:0.5")):
        play_in(traced(*through), home, SerialExecutor())
    return home


@pytest.fixture(scope="module")
def data(traces: Path) -> dict[str, Any]:
    said: dict[str, Any] = json.loads((traces / "scoreboard.json").read_text())
    return said


@pytest.fixture(scope="module")
def board(data: dict[str, Any]) -> Scoreboard:
    return Scoreboard.from_json(data)


def test_it_stands_in_the_cells_and_in_the_standings(data: dict[str, Any], board: Scoreboard, traces: Path) -> None:
    cells = {cell["detector"]: cell for cell in data["cells"]}
    told = cells["fragile"]["postprocessed"]["through"]
    assert list(told) == ["jpeg:75", "resize:0.5"]
    assert told["jpeg:75"]["auc"] == pytest.approx(cells["fragile"]["auc"] + told["jpeg:75"]["auc_change"])
    assert told["jpeg:75"]["auc_change_ci"][1] < 0 < cells["honest"]["postprocessed"]["through"]["jpeg:75"]["auc"]
    standings = {row["player"]: row["postprocessed"] for row in data["standings"]["detectors"]}
    assert {chain: one["fragile"] for chain, one in standings["fragile"].items()} == {
        "jpeg:75": True,
        "resize:0.5": True,
    }
    assert not any(one["fragile"] for one in standings["honest"].values())
    assert rebuild_scoreboard(Home(traces)) == board


def test_a_file_without_it_is_read_and_says_nothing_of_it(data: dict[str, Any]) -> None:
    older = copy.deepcopy(data)
    older["config"]["score"].pop("through")
    for row in (*older["cells"], *older["standings"]["detectors"]):
        row.pop("postprocessed")
    read = Scoreboard.from_json(older)
    assert read.chains == ()
    assert (behind_table(read), behind_matches_table(read)) == (None, None)
    for form in ("terminal", "markdown"):
        assert "behind" not in board_text([Board(name="older", scoreboard=read)], form).lower()
    assert read.to_json()["cells"] == older["cells"]


def test_tables_mark_who_lives_on_fragile_traces(board: Scoreboard) -> None:
    one = Board(name="traces", scoreboard=board)
    behind = {row.player: row.postprocessed for row in board.detectors}
    jpeg = behind["fragile"]["jpeg:75"]
    terminal = board_text([one], "terminal")
    [line] = [line for line in terminal.splitlines() if "fragile@0" in line and "!" in line]
    assert f"{jpeg.mean_auc:.3f} ({jpeg.change:+.2f}) !" in line
    assert "FRAGILE: fragile@0 lives on traces that do not survive JPEG of quality 75" in terminal
    assert "honest@0 lives on" not in terminal
    markdown = board_text([one], "markdown").splitlines()
    assert any("| mean AUC behind JPEG 75 | mean AUC behind resize to 50% |" in line for line in markdown)
    [line] = [line for line in markdown if line.startswith("|") and "`fragile@0`" in line]
    assert f"| {jpeg.mean_auc:.3f} (" in line
    assert line.count(") !") == 2
    assert any(line.startswith("- Fragile: fragile@0 lives on traces") for line in markdown)


def test_csv_has_a_column_for_each_figure_behind_each_chain(board: Scoreboard) -> None:
    one = Board(name="traces", scoreboard=board)
    rows = {row["player"]: row for row in csv.DictReader(io.StringIO(board_text([one], "csv")))}
    standing = next(row for row in board.detectors if row.player == "fragile").postprocessed["resize:0.5"]
    assert float(rows["fragile"]["postprocessed_resize:0.5_change"]) == standing.change
    assert float(rows["fragile"]["postprocessed_resize:0.5_change_low"]) == standing.change_ci[0]
    assert rows["fragile"]["postprocessed_resize:0.5_fragile"] == "true"
    cells = list(csv.DictReader(io.StringIO(board_text([one], "csv", table="cells"))))
    assert all(float(cell["postprocessed_through_jpeg:75_auc"]) <= 1 for cell in cells)


def test_the_report_warns_and_has_both_tables(board: Scoreboard, traces: Path) -> None:
    cautions = [one for one in find_cautions(board) if one.kind == "Fragile traces"]
    assert [one.text.partition(" ")[0] for one in cautions] == ["fragile@0"]
    assert cautions[0].grave
    table = behind_table(board)
    assert table is not None
    assert [(row.head, row.cells[0], bool(row.note)) for row in table.rows] == [
        ("fragile@0", "JPEG 75", True),
        ("fragile@0", "resize to 50%", True),
        ("honest@0", "JPEG 75", False),
        ("honest@0", "resize to 50%", False),
    ]
    matches = behind_matches_table(board)
    assert matches is not None
    assert len(matches.rows) == 2
    assert all(isinstance(cell, Told) for row in matches.rows for cell in row.cells)
    page = (traces / "report.html").read_text()
    assert "Detectors behind what pictures go through" in page
    assert "Every match behind what pictures go through" in page


def test_mlflow_charts_it_though_it_came_after_the_rounds_were_logged(
    traces: Path, client: Callable[[Path], MlflowClient], board: Scoreboard
) -> None:
    asked = client(traces)
    [experiment] = [one for one in asked.search_experiments() if one.name != "Default"]
    runs = asked.search_runs([experiment.experiment_id])
    tournaments = [run for run in runs if run.data.tags.get("arena.kind") == "tournament"]
    assert len(tournaments) == 1  # what was asked later made no other of it
    assert tournaments[0].data.tags["through"] == "jpeg:75, resize:0.5"
    detectors = {run.data.tags["arena.player"]: run for run in runs if run.data.tags.get("arena.role") == "detector"}
    fragile = next(row for row in board.detectors if row.player == "fragile")
    for chain in ("jpeg:75", "resize:0.5"):
        logged = detectors["fragile"].data.metrics
        assert logged[f"postprocessed/mean_auc {chain}"] == pytest.approx(fragile.postprocessed[chain].mean_auc)
        assert logged[f"auc behind {chain}/toy_watermarked:0"] == pytest.approx(fragile.postprocessed[chain].mean_auc)
    assert detectors["fragile"].data.tags["arena.fragile"] == fragile.fragility
    assert detectors["honest"].data.tags["arena.fragile"] == "-"
    pictures = [one.path for one in asked.list_artifacts(tournaments[0].info.run_id, "postprocessed")]
    assert pictures == ["postprocessed/round-000.png"]


def test_the_picture_has_every_detector_and_chain(board: Scoreboard, check_texts: Callable[[Figure], None]) -> None:
    figure = postprocessed_plot(board)
    check_texts(figure)
    [axes] = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["fragile@0", "honest@0"]
    marks = {line.get_label(): list(line.get_xdata()) for line in axes.lines if line.get_marker() not in ("None", "")}
    assert list(marks) == ["as they are", "JPEG 75", "resize to 50%"]
    assert marks["JPEG 75"] == [row.postprocessed["jpeg:75"].mean_auc for row in board.detectors]


def test_tournaments_compare_whatever_else_was_scored(data: dict[str, Any], board: Scoreboard) -> None:
    other = copy.deepcopy(data)
    other["config"]["score"]["through"] = []
    assert comparable(board, Scoreboard.from_json(other)) is None
    assert terms_of(board) == terms_of(Scoreboard.from_json(other))
