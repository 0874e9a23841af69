"""Scoreboards in every format: golden files, and files of earlier releases."""

from __future__ import annotations

import csv
import importlib.util
import io
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from fakeoff.leaderboard.boards import board_text, open_boards
from fakeoff.leaderboard.formats.board import Board
from fakeoff.leaderboard.scoreboard import SCHEMA_VERSION, Scoreboard

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
STORED = sorted([*ROOT.glob("docs/results/*scoreboard*.json"), *ROOT.glob("examples/*/results/*scoreboard.json")])


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("write_golden", HERE / "write_golden.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_format_is_as_it_was(script: ModuleType) -> None:
    written = dict(script.golden_texts())
    kept = {path.name for path in script.GOLDEN.glob("leaderboard-*")}
    assert kept == set(written)
    for name, text in written.items():
        said = "read what changed, then: python tests/leaderboard/write_golden.py"
        assert (script.GOLDEN / name).read_text() == text, f"{name}: {said}"


def test_there_is_a_file_of_every_version(script: ModuleType) -> None:
    versions = {json.loads(path.read_bytes())["schema_version"] for path in script.GOLDEN.glob("scoreboard-*.json")}
    assert versions == set(range(2, SCHEMA_VERSION + 1))


@pytest.mark.parametrize("path", STORED, ids=lambda path: path.stem)
def test_stored_files_load_for_ever_and_are_shown_in_every_format(path: Path) -> None:
    [board], warnings = open_boards([path])
    assert not warnings
    assert board.name == path.stem.removesuffix("-scoreboard")
    assert board.scoreboard.detectors[0].player in board_text([board], "markdown")
    assert f"{board.scoreboard.detectors[0].player}@" in board_text([board], "terminal")
    cells = list(csv.DictReader(io.StringIO(board_text([board], "csv", table="cells"))))
    assert [float(row["auc"]) for row in cells] == [cell.auc for cell in board.scoreboard.cells]
    assert [float(row["ap_high"]) for row in cells] == [cell.ap_ci[1] for cell in board.scoreboard.cells]
    assert Scoreboard.from_json(json.loads(board_text([board], "json"))) == board.scoreboard


def test_json_of_one_is_its_file(home: Path) -> None:
    boards, _ = open_boards([home])
    assert board_text(boards, "json") == (home / "scoreboard.json").read_text()
    both, _ = open_boards([home, home / "scoreboard.json"])
    assert [one["name"] for one in json.loads(board_text(both, "json"))["tournaments"]] == [
        f"{home.name} (1)",
        f"{home.name} (2)",
    ]


def test_csv_has_a_row_for_each_standing_with_figures_in_full(home: Path, scoreboard: dict[str, Any]) -> None:
    boards, _ = open_boards([home])
    rows = list(csv.DictReader(io.StringIO(board_text(boards, "csv"))))
    standings = [*scoreboard["standings"]["detectors"], *scoreboard["standings"]["generators"]]
    assert [row["player"] for row in rows] == [one["player"] for one in standings]
    assert [row["kind"] for row in rows] == ["detector"] * 2 + ["generator"] * 2
    assert {row["tournament"] for row in rows} == {home.name}
    assert float(rows[0]["worst_auc"]) == standings[0]["worst_auc"]
    assert rows[-1]["worst_auc"] == ""  # of generators there is none


def test_nothing_that_a_player_said_is_markup(scoreboard: dict[str, Any]) -> None:
    forfeit = {
        "kind": "detector",
        "player": "x",
        "round": 1,
        "stage": "score",
        "reason": "a | b\n# <img> @somebody `c`",
    }
    board = Board(name="x", scoreboard=Scoreboard.from_json({**scoreboard, "forfeits": [forfeit]}))
    [line] = [line for line in board_text([board], "markdown").splitlines() if "Forfeit" in line]
    assert line.endswith(r"a \| b # \<img\> `@somebody` \`c\`")
