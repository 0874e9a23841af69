"""The command that shows tournaments."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from fakeoff.cli import main
from fakeoff.leaderboard.boards import board_text, open_boards


def _call(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["leaderboard", *map(str, arguments)])


def _refused(*arguments: str | Path) -> str:
    result = _call(*arguments)
    assert result.exit_code == 2, result.output
    [line] = result.stderr.strip().splitlines()
    return line


@pytest.mark.parametrize("form", ["markdown", "csv", "json"])
def test_a_file_is_what_would_be_printed(home: Path, tmp_path: Path, form: Any) -> None:
    boards, _ = open_boards([home])
    expected = board_text(boards, form)
    printed = _call("--home", home, "--format", form)
    assert (printed.exit_code, printed.stdout) == (0, expected)
    assert _call(home, "--format", form, "--out", tmp_path / "board").exit_code == 0
    assert (tmp_path / "board").read_text() == expected


def test_json_goes_on_to_be_the_file(home: Path) -> None:
    assert _call("--home", home, "--json").stdout == (home / "scoreboard.json").read_text()


def test_cells_are_of_csv(home: Path, scoreboard: dict[str, Any]) -> None:
    lines = _call(home, "--format", "csv", "--table", "cells").stdout.splitlines()
    assert len(lines) == 1 + len(scoreboard["cells"])
    assert _refused(home, "--table", "cells") == "fakeoff: --table cells is of CSV; add --format csv"
    assert "exclude each other" in _refused(home, "--json", "--format", "csv")


def test_several_are_side_by_side_where_they_can_be_compared(
    home: Path, scoreboard: dict[str, Any], tmp_path: Path
) -> None:
    other = tmp_path / "longer-scoreboard.json"
    other.write_text(json.dumps({**scoreboard, "config": {**scoreboard["config"], "seed": 5}}))
    shown = _call(home, other)
    assert shown.exit_code == 0, shown.output
    assert "Detectors, side by side" in shown.stdout
    assert "longer: round 2, orl faces" in shown.stdout
    pools = {**scoreboard["config"]["pools"], "test_fakes": 99}
    other.write_text(json.dumps({**scoreboard, "config": {**scoreboard["config"], "pools": pools}}))
    said = _refused(home, other)
    assert said.endswith("cannot be compared: pools.test_fakes is 16 in one and 99 in the other; show them one by one")


def test_what_is_no_tournament_is_refused(tmp_path: Path) -> None:
    assert "play first" in _refused(tmp_path / "nowhere")
    (tmp_path / "x.json").write_text("[]")
    assert "x.json' is no scoreboard file" in _refused(tmp_path / "x.json")
